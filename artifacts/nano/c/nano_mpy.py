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
        b'Rhb\x8bs\x85Z@F\x8d\x88\x81|C@\x88\x8a\x83\x842\x8d\x88\x86\xa8\x01'
        b'=`/Vx\x9b@\x0fFy\xaey}\x86\xb2\x8e\xc0\xff\xc1\xa6\xaf\xbe\xd5\x9d\xa5'
        b'\xdf\x8cj9W\xdc\x93\\\x01*\xe3\xb3\x9eA5\xc2\xc7\xd4\x8bMsw\x9b\xa1x'
        b'x\x9fq\xb0A\x9ai\xb0A1u\xaa)\x15\xeb\x92\x03u\xcaE\x01\xcbaf\xaa'
        b'\x94\xab\x8e\x7f\x95p\xc5\xb1\xa9\xb7\x1bj\x94\xb1\x85,\x01\x01\x08\x13\xb1\x97x\x80\x85'
        b'\x80\xb4\xcf\x88\x86w\x80\xb4\xa8\xd5N:\x7f\x9a\xff4\x13J\x80\xfa(#iq\xc4',
        (11738, 130, 13561, 7436, 3362, 7913),
        (1230959845, 1453994726, 1591861944, 1116162601, 1264749390, 1386413698),
        (37, 39, 39, 37, 38, 39),
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
        b'\x83h\x8c\x94\xa8\\yu~\x8c\x98r\x84B\x93\x9a\x97A\x8a\xb04\x8f\xb40\x91'
        b'\x87g\x96\xd6(\x8c\x96\xb3\xa5\xa7\x01\x8e\x84>\x8bNU\x8f\x8ep\x9f\x97\x9a\xb1\xca'
        b'\x83\x1d\x95\x91\x01oj\x95U\xa5>\x8dN\x94\x82gk\xa3\x81\x98\x90w\x06e\x8d'
        b'\x98C\x9b\x9ff\x80\x8ct+w\x80m\xb7\x89t\xccN\xba+r~\x8c\x84\xb0J'
        b'\xa6\x9e\xba\xaf\x93ZzT\x8a\x86leym=\xb6B\x8ex_$\xd1]\xa7\xe2'
        b'o\x9bc\x9fr~\xc51\x87\xad\x9d\xa7\xa5H|K\xed\xc1:\xd5\x01,t\xca\x83'
        b'\xae2\xa7b\xa0R\x8f\xd1K\xaa}FSv\x93|\xb7^\x9chd\x8c\x89v\xa8'
        b'y\xa9\xbe>`\x8eu\x8b\xaamV\xd8yd\xa2t*x\x90k\xa0uQ\x8d\xb8'
        b'\x8dV}{q\xc8\xa0S\x96m\x01\xb8}\x82\xa1\x89\xb1t@~\xab\x84\x91\x97G'
        b'\xb5[\xaeS\xc5Y\xd4:\\a\xbd3\xde\x9b~1kP\x96)\x7f`\x86\x89\xa0'
        b'Z\x95\x8ef/\xa3Si\xb2\x01\xa9nI\x8dm\x81\xe61\x81\xa1\x7fn\x84\x8fp'
        b'\xa9\xa4\x94~cu\x85{if\xc2b\x01hmA\xbaA\x9a}`\xbe\x97W\x83'
        b'\x81_\x93\x88\xa9\x95X\x84\x83\xb5cv\x95G\xbf\xa7|k\xafZ\xa1\x9ccp',
        (6042, 4178, 17635, 18328, 10232, 3346),
        (1517482900, 1576171003, 1630337878, 1743734567, 2014653876, 1276419251),
        (37, 37, 38, 38, 38, 37),
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
        b'\x95\x9aiUZ|eLs\xccF4R\x88\xcb*d\x83f\x998\x96\x9cRe'
        b'\xa3\xa6\xb1!be_\xa5!YXJnV)\xbc\x8a\x90\xb2|\x01ph\xd3\xff'
        b'z;\rM\x01\xa7S\x81q\xa2\x0evm\xb4\x8f\x9e\x83\x84F\xea\xa3\xdd:\xa47'
        b'\xae\x83\x93y\xa5\x9a\x98v\x8f\xa4\xb3\xb1\xb6\x8d\xa2S\xa8i\x95{c\x90\x9amr'
        b'\x7f(\x83\x9c\x8b\x91q-gbg\xa4%\xa3D\x87_~~\xc1>\x9esd\xa3'
        b'\xcb\x90I\x87\xb8\x01\x90dY~y1\xd7\x18\xa1\x14s\xac\xb9\x7fl\xa3\xd8\x07d'
        b'd4h\xb5\x16\xccBTkS]\xc2\x99\xb2\x7f\x8c\x81]y\x92\xaak\x9a\xa4}'
        b'\x89cs\x93\x80d\x91\x88t\x80tU\x96\x8f\x88\xbclu\x99y\xa2rQ4\xd4'
        b'yx\xb7Lh\xc6i\x98\x7f\x01v\x82\xa6\x94n[\x88U#\xbb\x80.\x9eti'
        b'\xcc\x93:\xc2`\x9b\x88YH\xb8\xaaG_\x98\xb6\x88\x98\x86Bm\x88\xe9[OV'
        b'Ef\x8f\x85?n\xaa\x81\x82[BJl\x7f\xa3?\x01\x7f@\x96~d\x82\x9fj'
        b'A\x95q\xb7\x83\x83}\x84s\x7fS\x81p\x8c`\x9b`t\xa2\x95\x95\x95y\x80}'
        b'L|ya\x8foj\x87u,\x9e\x86}\x89Gp\x8c\x99\x01\xabUK\x8a\x91\x92'
        b'\x87\xa6^\xadI\x87g\x95ReOQm`QCtwH\x83n<\x93f\x01'
        b'\\\x80Z\x84F}8\x98vujQ\x84\x9a\xb0{\x82\x7f\x8e\xc3\x90\x86)\x8b\x85'
        b'\xa5\x8f\x88q\x82\x01\x9f\xbb\xce\x81,X\xa0\x95\xae\x1a$J~U\xb2ofKU'
        b'\x7fbnb)t\xd1jQk\x05n\xdao!\x9c+m\xcc\x7f`pX\x92\x96'
        b'WzZ\x9d\xed\xa58',
        (29602, -15382, 18106, -2995, 17675, 10541, 9874, 9423),
        (1943687426, 1997604297, 1308894514, 1360190342, 1763923790, 1647507528, 1404941754, 1443109811),
        (38, 38, 38, 37, 38, 37, 37, 38),
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
        b'J\x8eF\x90k7K\xd9\x98P|\x85\x87Tx\x93c\xadshTH=\xa6S'
        b'\xa2t\xb2`e\x90\xb8\x8dl\xb1\xa9\x9c\xa5~z^\xc8\x90o \x8f\x94\x84@\x99'
        b'\x1bx\x87\x80\xb9N}\x87i$\x0c\xff{dMHP\x12\x0f\xc7~\x98WIz'
        b'\xd4dT\\:gg\xa8\xce\x8c\x83{{|xp\x8crP\xac_hh\x9b\xa1'
        b'Zt\x9c\xab\x87\xa6\x87l;\xa5Xz\x8d\xdaQfJw\xbd)K K\xcf,'
        b"\x8d\x8f\x83{S\xc2\x9a'\xb4_\xffOI\xa2\xa8\xa1|\xbaud<S\x90\x8a\x9b"
        b'd\x98ffJr_\xa2o\x92|F\x87u\xa2^\xa9\xb6uh;\x9f}KX'
        b'\x81\xa1\xadurk\x85f\x8drj\x82\xa4\x89V\xc1\x88R\x93\x89\xb4\\\x9ac\x8f'
        b'R\x98vv~\x95|\xbaJ]\x93Z\x01.\xbb\xb4\x81o\x14@\x93\xcel\xa4\x82'
        b'fid~{\xa2w;\x8dJV\x83\xb4\xac\x93\x9aXs\x81RQ\x95wq\x92'
        b"\x8f\x86\xc2]\xb2`H\xbbr\x7fNs\x8dX'O?\x82^\x98\x99r`\x8cu"
        b'T\x01\xe0\x7f\x9aevf#/\xc2`x-,5^k\xa3\xa5\x17q\x90U\x99'
        b'\x83Z\x9d|b\xb6wW\x8bv\xca{wL]\x85Bw\x90fmnS\x98F'
        b'\xa9\x91\x7fs\xd0r\x8evp\x98b\x9eM\xb0\x92\xa1G\xa6\x84M[\x93us\x86'
        b'\x94e\x01f\xb0\x8b\xc6m\xdfqq0B\xc3CZ$\x93}\x8b`\x8c\xa1}>'
        b"_\xa3{\x0b\x8dMD3Gf5Yk'\x1bU\xb4o\xbfU\xa4\x95\xc5\x9e\xa2"
        b'y\x98a\x86\x9fo\x88T\xc9\x0clhcW\xc1U8\xa9\xf2\x92\x80\x8fy\x86\x1c'
        b'[\xb1[\x81X\xff\x93N_@}AN5\x9b^\xa7[\x87]\x82\x88\x9bk\xb4'
        b'Uvx\x99pcF\x92A\x9bbi8\x87\x86\x90xj}c\x82vKpl'
        b'\xba\xc7x\x81\x96|\x8e\xa2\x9el\x803\x85|`\x98\x94\x81sW\x9ef~\xb0\x9d'
        b'w\x01\xa4\x8d2<2an\x86\xabbZ`o\xb5xi\x9a\xa0\x01t\x96Q\x9c'
        b'l\xce\xc1Yhab\xb7b\x91:e\x97\x9bmx\x90\x8a{Z\xdcf\\t\x84'
        b'\xbaX^VA\xe1\xab8g\x97l~_\xa7\xaan\xab\xa1\x91\xb5Hab\xa4p'
        b'\xaa-&\x1f\xdddt"cj>{\xbbm\x87\x95QTvx\x86\xaa5\x9cu'
        b'i\x8b\xa9\xafE\x85\x7f\xc0rc\xad\x92R\xb1\x7f\x9dWjFa[_v\xb6x'
        b'\x87;\x8c8q\xaf#`\xbbg\x173\xe9\x91_\x01\xa6X\x0bX\xb7\xb0\xb7W-'
        b'\x93\xa1U\x82\x1e\x89\x92\x83Y\x81~H\xa8\xec\x13\x883Nr\x8b}\xc2\x81i"'
        b'rk\x84\x8eSOxIR\x0c\xb7\x86\xefS\xadv@Xv\x95BR\x94g\x81'
        b'}\x8e\x81Yw\xb9\xa5%\x01\x96n\xbd]\x9e|\x84\x8e^\xa1z',
        (1598, -9308, -2131, 7082, -4717, 3219, 1329, -174, 5142, 7928),
        (1155135912, 1402281779, 1408971760, 1246480274, 1195265816, 1787557121, 1218542412, 2083223917, 1169901744,
         2088104403),
        (37, 37, 37, 37, 37, 38, 37, 38, 37, 38),
        (0, 0, 255),
    ),
    (
        _mean,
        (2, 2, 10),
        0,
        (1654914536,),
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
        b':Q\xffT\\FMKVGEdWWbUC[T\xff:YBG3'
        b'U;\xffi=G^NT\xffCAUeJ\xff`GI`HJPBM'
        b'MVSH^\xffDUUNOcJ_cQ\xffQcIIVU\xff@'
        b'aFP`D3\xffQRD8$HA@U]JL_O=G\xffF',
        (-8, 4, -28, -15, -34, -19, -13, -30, -2, -50),
        (1398150086, 1604407301, 1312033672, 1433545590, 1323083167, 1466149983, 1561546384, 1397174565, 1227018235,
         1318830892),
        (37, 37, 37, 37, 37, 37, 37, 37, 37, 37),
        (138, 0, 255),
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
