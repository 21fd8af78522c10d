"""nano for MicroPython: tells 10 classes of 28 x 28 pictures apart.

    import nano_mpy
    label, logits = nano_mpy.classify(pixels)

An int8 network, written by digits-edge 0.1.0, that gives the logits of nano.c. mpy-cross makes a smaller file of it
that needs no compiler on the board.
"""

from array import array

import micropython

LABELS = (
    '0',
    '1',
    '2',
    '3',
    '4',
    '5',
    '6',
    '7',
    '8',
    '9',
)
PIXELS = 784


@micropython.viper
def _sums(values: ptr8, start: int, weights: ptr8, sums: ptr32, form: ptr32):
    """Sum a window for each channel, and keep the sums that are larger than those before.

    A weight is 128 too large, and a sum 2^29, so that none is negative: where words have 64 bits, a pointer to 32 reads
    no signs.
    """
    height = int(form[0])
    along = int(form[1])
    wide = int(form[2])
    channels = int(form[3])
    more = 0
    at = start
    for _ in range(height):
        for i in range(at, at + along):
            more += int(values[i])
        at += wide
    tap = 0
    for channel in range(channels):
        total = 0x20000000 - 128 * more
        at = start
        for _ in range(height):
            for i in range(at, at + along):
                total += int(values[i]) * int(weights[tap])
                tap += 1
            at += wide
        if total > int(sums[channel]):
            sums[channel] = total


def _scaled(total, multiplier, shift, limits):
    zero, low, high = limits
    value = ((total * multiplier >> shift) + 1 >> 1) + zero
    return low if value < low else high if value > high else value


def _framed(values, source, frame):
    height, width, channels = source
    above, before, high, wide, fill = frame
    if (high, wide) == (height, width):
        return values
    framed = bytearray(bytes([fill]) * (high * wide * channels))
    row = width * channels
    for y in range(height):
        at = ((y + above) * wide + before) * channels
        framed[at : at + row] = values[y * row : (y + 1) * row]
    return framed


def _convolution(values, source, frame, kernel, stride, shape, pooled, weights, bias, multipliers, shifts, limits):
    values = _framed(values, source, frame)
    height, width, channels = shape
    read, wide = source[2], frame[3]
    form = array("i", (kernel[0], kernel[1] * read, wide * read, channels))
    sums = array("i", bytes(4 * channels))
    out = bytearray(height * width * channels)
    at = 0
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                sums[c] = 0
            for down in range(y * pooled, (y + 1) * pooled):
                for across in range(x * pooled, (x + 1) * pooled):
                    start = (down * stride[0] * wide + across * stride[1]) * read
                    _sums(values, start, weights, sums, form)
            for c in range(channels):
                out[at] = _scaled(sums[c] - 0x20000000 + bias[c], multipliers[c], shifts[c], limits)
                at += 1
    return out


def _mean(values, source, bias, multipliers, shifts, limits):
    channels = source[2]
    out = bytearray(channels)
    for c in range(channels):
        total = bias
        for i in range(c, len(values), channels):
            total += values[i]
        out[c] = _scaled(total, multipliers[0], shifts[0], limits)
    return out


_LAYERS = (
    (
        _convolution,
        (28, 28, 1),
        (0, 0, 28, 28, 0),
        (5, 5),
        (1, 1),
        (12, 12, 6),
        2,
        b'V\x94\x80\x84\x81]\x1bp\x93\x97\x8f\x90\x01X\x8b\x8e\x8e\x85OP\x89\x94{\x8bn'
        b'u\x82qO\\|`\x0c\x01\x14\x83Hf\x82\x81\x94\x90\xe0\xf3\xf5\xb7\xbe\xdd\xa4\xe9'
        b'\xaf\xb7\x80b\x98\xbc\xcd\xb3;\x01\xdd\xdc\x9dE\x08\xc4\xac\x9dua\x87\x96\xa2\x91['
        b'\xd4A=goeS1Y\xfcK\x80Q\x8d\xff6\x80Z\x9c\xdaM\x7f\x96\x9f\xd6'
        b'\xdf\xad\xd0\xc5\xde\xab\xcd\xe2\xb6\xb9`\x9f\xa0xXQTU*1a\x0e\x01Z\x86'
        b'\x92\x91oC+m\xc2\xef\xa66?\xa9\xff\xea\x85-j\xa0\xbc\x98\x1d:R\x83\x8b',
        (8685, -364, -4663, -226, 63, -9360),
        (1090096748, 1318130020, 1579659771, 1235133034, 1138663846, 1857165914),
        (37, 39, 39, 39, 39, 39),
        (0, 0, 255),
    ),
    (
        _convolution,
        (12, 12, 6),
        (0, 0, 12, 12, 0),
        (3, 3),
        (1, 1),
        (10, 10, 6),
        1,
        b'd\x80\xb3\x85iC\x82o\xb5\x91ie\x9a\xa3\xc5t\x86`\xa6\xe1Z=\xa6_\xdb'
        b'\xa9iV\xacy\xe5\x81U\x1a\xadH\xe2\x99\x01!\xabij\x81ap\x96j\xa0\xe0'
        b'75^zW\x82lM\xa9\x93x\x8d4{\x9eK\x0b\x84O\xa0mp|8\xcb'
        b'\xae\x9b\xad\xaeU\x99w\x82\xab\x95\xc7\x9b\x8ce\xb3\xcf?\xd1\xb2d\xff\xed\x84r7'
        b"'\xe1\xd1\x9f\x92s\x98\xe6\xa4\x80\x9bS\x81\x90v\x98Xz\x7f\xab\x81\x82y\x7f\xf2"
        b'~\x95\x85x\xa0\xa2\x87x0\x9b\xa3\x8d\x8bz>}\x84hHlZ}\xdc\xd0f'
        b'l9\xc1\xe2t$\xffIn\x95KT\xa0S\xa1\x8fz\x84\xb9I\x86\xd2P\x82g'
        b'#\xd1`\x011s\x91\x8a\x9fEY\xbfT\xa1\x95l-\x9dki\x93RL\x9b\xca'
        b"\xf5\xdf\x84G\xed}\xbb\x9d\x9fb\x8d\xaa\x13\xa6\x88'\xc2\x15\x19\x9b\x1aN[\x90x"
        b'\xf8\x8e*d\xe2~\x7f\x8c\x01\xa6Cv\xa9tn{\x80\x96\x88\xe2\x8bu\x82e['
        b'\xcdz\xc05f\xb7$\\zD\xf5\x91Q\x9f\x83\x9e\xa3}T\x9c\xe1r\x98\xa0\x8d'
        b'\x99\xf2\x82oTE\x8d\x8e\xc5\\lv,\xaa.W\xa8q}\x91u\xad\xd7qe'
        b"n|\xbc\x82\x94o\x10<\xc4\xcd'e)\x01\xe4\xbaDd\x8cg\xb6\x1a$\xef",
        (2696, 6909, 5856, 5898, 9382, 9272),
        (1808682188, 1411257952, 1092480280, 1664502321, 1813203257, 1983256781),
        (37, 38, 37, 38, 38, 38),
        (0, 0, 255),
    ),
    (
        _convolution,
        (10, 10, 6),
        (0, 0, 10, 10, 0),
        (3, 3),
        (1, 1),
        (4, 4, 8),
        2,
        b'\x89\x82\x95o\xb2\x89\x9f{q\x19\x9bw\x82\xa1J\x01`\x84~\x8c\x91q\xb4E\x96'
        b'x\x8f\x7f\xacYI:j^\x92]y\x89jh\x8a)\xa8\x8bW\xa4g\xa5\x1bN'
        b'4\xace\xaa\x1fD_g\x80\x829\x84sc\x93\x88\x97do\xa1\xb9u\x01J\x8b'
        b'\x92\x96\x82\x93\xa9z\x99\x9a\x94\xab\xb1\x1f\xa5GZi\x90A\x9cVy\x95\x9b;\x97'
        b'\x94d\x84fl\x91\x89svl\xd06\xc9}\xbd9y\x0f[c\x05\x1fj\x84)'
        b'\x80k\xc9r\x90|P\x89Kh\x86P\xad\x10\x01[\xacH\xb0\xa3eS\xbc52'
        b'QF\xd9\xb1\x8bu\x97\t\xd4RD\x96e]O\xab5\xac\x81\x98\x8a|z\x91\xa7'
        b'r\x84Cp\x92\x01?\x9ep\x89\xc5s\x87\xb5[\xa4|Q\x90Q\x08\x83rI\x86'
        b'\x90l\xa0\xcf\xa0\xa7<b\xa9\x98c^2Pb=\x9b0]\x84\xad\x01}Q\xa6'
        b'\x82\xc7#\x83\x85\x89\x83\xafT\x8f?ibd\x9d\x98{w\x8d\x94e\xa7\x8c]\x93'
        b'{\x89VFu\x8eF\xa7f\x9an\x92U\xc3\x87\xc7_\xb3S\xb0\xa7\x96en\x9a'
        b'Qfz\x9cUrT?\x0fW\x9f\x99\x8b\x94\x84\xac\x19\x8a2rd\x83\x83^o'
        b'Qh}HZ\xaa\x83d\xddD_\x9dS\x15}z\x85\xaf\x01\xbb\x8db\x99\xb6\x87'
        b'\x8e\x8e\xc3\x01\x8dw\x87a\x93B\x9fl\x96J\x93r\xc8e\x83\xa7\xb0?\x9dw\x9e'
        b'\x8c~K\xa3b\xb3v\xb5Y\xa0\x8d}\x91\x9fee}\x81qyO\xb4{qX'
        b'\xad\x1c\xb7Q\x8c\x01\xbe\xa1\xcb+m\x94\x96\x95\xa5W\x7f&\x91~\xc3[-\x1e\xc4'
        b"o{'N\x96|\x89y\xa5\x7fg\x8b\x9b\xb9\nSH\x83\xaa\x88+\xa7Oy|"
        b'\x9dO}r~\xab\xa3',
        (11308, 9065, 24213, 9822, 4400, 15562, 7545, 6979),
        (1515808863, 1283952599, 1664676894, 1280726721, 1325280044, 1970462292, 1672782761, 1646870290),
        (37, 37, 38, 37, 37, 38, 38, 38),
        (0, 0, 255),
    ),
    (
        _convolution,
        (4, 4, 8),
        (0, 0, 4, 4, 0),
        (3, 3),
        (1, 1),
        (2, 2, 10),
        1,
        b't(\x92m\xa4\xa4N\x80\xa7a\xb3u\xa4k\xb1\x92\xcf\xa3\xd4\x12Vl\xb2(\x90'
        b'\x8e\x91\x80\xae\x91{]\x96\x80o7\xb9\x9f\x8a\x9d\xd7\xee6%r\xafh\xb3>\x9f'
        b'\xdf\xc5\x9f^\x01\x92\x84\xa6\xb1\xa3\xa6\x90{\x8d,\xa4PsD\xd2=\xa9\x82\xad|'
        b'\x80A9\x01I\x8e\x9d\xac\xa5\x7f\x8d\x88\xab\xb1\x8b\xa3X\x83tuC\x8b\x8d\x92g'
        b'5\xb4\xb0\x94\x9c\x8aNY;\xb3\x93\xbe\x94\xa2\x8aWM\x88+ue\x93\x8d\xc6@'
        b'\x814?rj\x9e\xaeu\x97\x98\xcc\xf5.\x9f\xa4rE\xd8c\x96\x8dk\x8dJ4'
        b'1\xa5R~r\x80\x94Zg\x911f6\x80xx\x1b_\x88\xa7\x96[\x94vu'
        b'Zd\x9e\x9c\x9da\x99i\xa4\x83[\x93sf~\x81{\xa1\x7f\xa0t\xc1p>T'
        b'\x8d\x84\x99els\xa5\x9c\xffR\x9edl\x8a\xd4rW\x14Kj7n\\\xb7\xad'
        b'LY:\x89\x82\x88\xfa\x91v\x83\x01X\xa3r\x99\x85\xc8+Ys\xdeGR\x8f_'
        b'H2z\xa1\x91\xa8\xab\x81\x82X\x82\x92ie\xa4g\xa9y\x98r5\xa5\xa0\x7f='
        b',:x\x89\xb2\xc0\xab\x8f\x89 \x81t\x93\x876o~\xa4\x97\x80\xc7ss\x97n'
        b'v\xc1\xa9M\x9a\x8a\x86,\x9b\xb9\x8bP}\x01bw\x81Wa\xa8\x82\x81\x9am\\'
        b'\x8ctk\xc0\xc2vST\x89lp\x9d\x96o^\x8a\xe93\x88\x80ZZSv\xef'
        b'i\xc5\x8aLZ["\xac]\xc2NDe\x93py0\xa8`\x80\x8eq\x98\x85r'
        b'\xa3\x8f.\xbb\x86`]\xa6^j\xb8ZeB\xb4hgB\x81\x8af\xa7\xa3n\x98'
        b"\xcf\x81\x8e_'\x8a\x81dt\xa2\xa4}4zy\x8d}\xa9\xc6o\x82q|\x95\xae"
        b'R\xb8\x01a_|\xbc>\xa3a\xb6K\\\x01K\xab\x83\xd2\x95\x8d\x9e~\x9a\xbbJ'
        b'\x9cz\x94b\x88E\x87\x92\xb9{\x1f\x8e\xa2i~\xa3\x92\x82X\x9e~\xce\x92Dt'
        b'Mu\xa3u\x8c\x92\xabj6L\xb5Hh\x8d\xa9y\x0e\xb8\xd8Rg\xcfj?\x14'
        b'\x1f\xb5\xa9\xbd\xb70M|Z\xd1PH\xb8\x97\x99q\x96x\xa5s\xb9\xbe\xae:\x94'
        b'\xab\x8b\x90\x80\xa6KJlnnIp\x8bnt\x84sU\xc6\xa3ornER'
        b'8"\xa9\x81\xb3i\xafdley\x8f\xbemp\xa3{\xa8\xffC\xbdPz\x93\xf6'
        b'\x92K\xc8\tgfXy\x83F\x7f\xaa\x84\x9bFm\xb8\x84\x88p\x1bXyT\xbb'
        b'd\xcfgr\x9c\x917\x92\x9d\xa6\xb5\x8d\x8b\xb0\x9cs\xc0\xc9<p\x19\xaa\x9dq\x9d'
        b'\x9f\xa0J\xa0\xe8S`\x8b\xa2B:\x01\xdb]\x90l \x1f=/\xdev\x93I\x99'
        b'QhC\x86N\x89n\xac\x8e\\w\x84p\xa4Z\x92^s\x96\x8ffs|\xa4\x9c'
        b'\x81]gr\x99i\x80\x80\x83\x95oz\x96\x9e\x86\xa2\x9bzy\x80}\x88\x8az\x81'
        b'\x01awl\x83\x91\x98\x8c\x84w~\xae\xbb\x8b\xa4v\x81^\x8f\x88',
        (-13663, -7299, 1792, 566, -3649, -4612, -10668, -11790, -3553, -3688),
        (1857520646, 1425011644, 1164337089, 1782222573, 1121923899, 1318962469, 2124870592, 1276921723, 1979728291,
         1474296831),
        (38, 37, 37, 38, 37, 37, 38, 37, 38, 37),
        (0, 0, 255),
    ),
    (
        _mean,
        (2, 2, 10),
        0,
        (1912952919,),
        (31,),
        (0, 0, 255),
    ),
    (
        _convolution,
        (1, 1, 10),
        (0, 0, 1, 1, 0),
        (1, 1),
        (1, 1),
        (1, 1, 10),
        1,
        b'C?/,<\xffEDB.@O4\xff76Y80#\xff>;2\x18'
        b'0Z 4%59&,5-J\xff=$:D-"<2\nF\xff$'
        b"FK\xff8<3EKD'HI;7M']RF\xffGOF9\xff"
        b"@97A6@\xff2'E>#I<\x10EW:/C@\xffH^6",
        (-58, 54, -41, 90, -17, 28, -29, -93, -85, 55),
        (1126859248, 1144075243, 1088000019, 1078564123, 2121554713, 1206694426, 1316809628, 1248827763, 1172459788,
         1353182267),
        (37, 37, 37, 37, 38, 37, 37, 37, 37, 37),
        (134, 0, 255),
    ),
)


def classify(pixels):
    """The label and the logits of a picture: PIXELS bytes, row by row, white ink (255) on black (0)."""
    if len(pixels) != PIXELS:
        raise ValueError(f"expected {PIXELS} bytes, received {len(pixels)}")
    values = pixels
    for layer in _LAYERS:
        values = layer[0](values, *layer[1:])
    logits = [value - 128 for value in values]
    return LABELS[logits.index(max(logits))], logits
