"""What a .tflite file is and says of itself."""
