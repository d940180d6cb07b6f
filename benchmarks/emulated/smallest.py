"""The smallest script that answers a photo by an int8 file: what is left of ``tinyedge run``.

    python smallest.py MODEL PHOTO

It checks nothing, knows no class by its name, and shrinks photos as Pillow does. The first number
it prints is the class.
"""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

interpreter = Interpreter(sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
(details,) = interpreter.get_input_details()
(_, height, width, _), (scale, zero_point) = details["shape"], details["quantization"]

photo = Image.open(sys.argv[2]).convert("RGB")
side = min(photo.size)
left, top = (photo.width - side) // 2, (photo.height - side) // 2
square = photo.crop((left, top, left + side, top + side))
pixels = np.asarray(square.resize((width, height), Image.Resampling.BILINEAR)) / 255
stored = np.clip(np.rint(pixels / scale) + zero_point, -128, 127).astype(np.int8)

interpreter.set_tensor(details["index"], stored[np.newaxis])
interpreter.invoke()
(scores,) = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
for index in np.argsort(scores.astype(int))[:-6:-1]:
    print(index, scores[index])
