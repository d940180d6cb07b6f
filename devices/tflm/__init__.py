"""What a microcontroller takes of a file: TensorFlow Lite for Microcontrollers, TFLite Micro."""
