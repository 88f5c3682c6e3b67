"""Networks that no construction here reaches, and the reader of their text.

They were found by simulated annealing over comparator sequences, judged on all 0/1 inputs whose number of ones is next
to a wanted threshold: that is enough, because networks are monotone. The tests prove them, independently, on all of
those inputs. As text a wire is one digit of `_DIGITS`, two make a comparator (low, high), and after a space stand the
outputs.
"""

from collections.abc import Iterable
from functools import cache

from kernelscape.networks.network import Candidate, Pair

# Fewest known comparators for each size (Knuth 5.3.4 and the lists that followed it). Sizes 14 and 15 are size 16
# without its last wires.
_SMALL_TEXT = {
    1: "",
    2: "01",
    3: "02 01 12",
    4: "02 13 01 23 12",
    5: "03 14 02 13 01 24 12 34 23",
    6: "05 13 24 12 34 03 25 01 23 45 12 34",
    7: "06 23 45 02 14 36 01 25 34 12 46 23 45 12 34 56",
    8: "02 13 46 57 04 15 26 37 01 23 45 67 24 35 14 36 12 34 56",
    9: "03 17 25 48 07 24 38 56 02 13 45 78 14 36 57 01 24 35 68 23 45 67 12 34 56",
    10: "08 19 27 35 46 02 14 58 79 03 24 57 69 01 36 89 15 23 48 67 12 35 46 78 23 45 67 34 56",
    11: "09 16 24 37 58 01 35 4a 69 78 13 25 47 8a 04 12 37 59 68 01 26 45 78 9a 24 36 57 89 12 34 56 78 23 45 67",
    12: "08 17 26 3b 4a 59 01 25 34 69 78 ab 02 16 5a 9b 03 12 46 57 8b 9a 14 35 68 7a 13 25 69 8a 23 45 67 89 46 57 34"
    " 56 78",
    13: "0c 1a 29 37 5b 68 16 23 4b 79 8a 04 12 36 78 9a bc 46 59 8b ac 05 38 47 6b 9a 01 25 69 78 ab 13 24 56 9a 12 34"
    " 57 68 23 45 67 89 34 56",
    16: "01 23 45 67 89 ab cd ef 02 13 46 57 8a 9b ce df 04 15 26 37 8c 9d ae bf 08 19 2a 3b 4c 5d 6e 7f 12 3c de 7b 48"
    " 5a 69 14 7d 28 be 24 56 9a bd 38 7c 68 ac 35 79 34 56 78 9a bc 67 89",
}
SMALL = {
    size: tuple((int(pair[0], 16), int(pair[1], 16)) for pair in text.split()) for size, text in _SMALL_TEXT.items()
}

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+,-./:;<=>?@^_~"

# (size, ranks): networks on unsorted values. Mirrored ranks use the mirrored network.
SELECTIONS: dict[tuple[int, tuple[int, ...]], str] = {
    (3, (2,)): "0212 2",
    (4, (1, 2)): "0213012312 12",
    (5, (1, 2, 3)): "031402130124123423 123",
    (5, (2,)): "34101304232030 3",
    (5, (2, 3, 4)): "0302130124123423 234",
    (5, (3, 4)): "03140212342343 43",
    (6, (2, 3)): "5024124304512421201310 10",
    (6, (3,)): "05132412340325234534 3",
    (7, (1, 2, 3, 4, 5)): "06234502143601253412462345123456 12345",
    (7, (2, 3, 4, 5, 6)): "601324041035546332505261130235 35024",
    (7, (3,)): "25060336140124233456135131 3",
    (7, (3, 4, 5, 6)): "062345021436012534124623453456 3456",
    (7, (4, 5, 6)): "153445622064315021451541 150",
    (8, (3, 4)): "0213465704152637012345672435143634 34",
    (8, (4,)): "74421513735063327503506550155440 4",
    (9, (1, 2, 3, 4, 5, 6, 7)): "03172548072438560213457814365701243568234567123456 1234567",
    (9, (3, 4, 5, 6, 7, 8)): "0317254807243856021345781436572435682345673456 345678",
    (9, (4,)): "60847635218306238036155451201057137371 1",
    (9, (4, 5, 6, 7, 8)): "70845241423646614702836057732167327802308535 35021",
    (9, (5, 6, 7, 8)): "031725480724385602134578143657243568456756 5678",
    (10, (4, 5)): "947081627928152791400531818064378493637387030407 07",
    (10, (5,)): "38795135698157198683204610527147612306030773 7",
    (11, (1, 2, 3, 4, 5, 6, 7, 8, 9)): (
        "091624375801354A69781325478A0412375968012645789A2436578912345678234567 123456789"
    ),
    (11, (3, 4, 5, 6, 7, 8, 9, 10)): "5236896A92352A01854740179661367A5043217072019557398969027909655768 8570921A",
    (11, (4, 5, 6, 7, 8, 9, 10)): "091624375801354A69781325478A04123759682645789A243657893456784567 456789A",
    (11, (5,)): "751326405063122909746085814105136771A01024A7414717 1",
    (11, (5, 6, 7, 8, 9, 10)): "0325A5319848670485173926181A57691606A45849A25423638943564683 468397",
    (11, (6, 7, 8, 9, 10)): "091624375801354A69781325478A043759682645789A365789567867 6789A",
    (12, (5, 6)): "6473A02B586591B0579B1384402A597B9762A8B429718189A73B37973898 98",
    (12, (6,)): "3A512964A96541230734B304B09137A593260A57348A68983A35A58A38 8",
    (13, (6,)): "38C02154BA5C049693591AC1A4682B0B6030A810B3BC9271A3CA621AC7727121 2",
}
# side: the median of a square grid whose rows and columns are sorted, from the cells that can be it, row by row.
BANDS: dict[int, str] = {
    3: "012010 1",
    5: "CAB3156535C32086B6494704C4C664 6",
    7: "I89NRE1DFODQBQM40JGL24BNGN68KS6DBD8F9B5E5P2CB3KAK3D84RCK7RK4J5RG3RJH58D3DKHKK43543K4 4",
    9: (
        "DjM1YET96UG9N7CWOC5L7dE6eI1eaP0ZN6KA4e7O8aJaFXLgL3X7BciJVch1kA13Of8iZDGRDH1NkhO6hZ8V3Ve3BRDbORZD8O3d6D6U2Xe9Q7OL"
        "Z6SXQNZQci3V9cLeC3XQeR6NeXCUNCNQRQXhR69NR99L6NLh6LLh L"
    ),
    11: (
        "$t0wqK&AKVq)CXX3Sr8*j7EPoQo9*(F%O!n2P#5Y-DsM3s*Ss)N$R-Qq4s7NslgJXv!&8xjY)x)lq37q%bLpLHJeH1mdI8yc%qUw!6i-+TmN#KZ6"
        "2i9zBUrGf%9m)rv8%4)81JhRW9rk9RmpURy#mrU+Y7Sqm+y&6R)y8SQE,-%v43S#9u,*3s3)Fy+rP)Ev71viKsUuKS,4m6Ja68*)yi+KFJU,,y8+"
        "a8+)6Ji8,Fium6v3R+64y*ymJ*1P*RJ4miPJ4uZ6Jaa&4*3Ji6Pii33F*6mFFJ4aJaJ*F4*4*J J"
    ),
}
# (columns, rows): the median of a grid whose columns are sorted, wire ``c * rows + r``.
COLUMNS: dict[tuple[int, int], str] = {
    (5, 5): "9OFAIDGBK5L605I361B1CH8N8BL0H7MCG8H2EJ5A1N2C683J1DA28KI0B3HM7O742701BKB050K1K9MA9EC9KAC2A7A20FKCACAFFC F",
}


@cache
def decode(text: str) -> tuple[tuple[Pair, ...], tuple[int, ...]]:
    """The comparators and the outputs of a network written as text."""
    body, outputs = text.split()
    wires = [_DIGITS.index(digit) for digit in body]
    return tuple(zip(wires[::2], wires[1::2], strict=True)), tuple(_DIGITS.index(digit) for digit in outputs)


def tabulated(size: int, ranks: tuple[int, ...]) -> Iterable[Candidate]:
    """The network that a table holds for these ranks or for their mirror image."""
    if text := SELECTIONS.get((size, ranks)):
        pairs, outputs = decode(text)
        yield list(pairs), list(outputs)
    if text := SELECTIONS.get((size, tuple(size - 1 - rank for rank in reversed(ranks)))):
        pairs, outputs = decode(text)
        yield [(high, low) for low, high in pairs], list(reversed(outputs))
