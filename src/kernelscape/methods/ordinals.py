from kernelscape.loops import TileShape
def tile(shape, rows, unit): return None
def costs(shape, ranks, dtype): return 0.0
