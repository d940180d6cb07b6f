"""What runs on the board: profiles and the runtime. Never imports TensorFlow itself."""
