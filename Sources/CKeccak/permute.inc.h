// Keccak-f[1600] on LANES states at once: element i of every vector belongs to state i.
// Included once for each instruction set, with NAME, VECTOR and TARGET defined.

__attribute__((target(TARGET))) static void NAME(VECTOR *s) {
#define ROTATE(x, n) ((x) << (n) | (x) >> (64 - (n)))
    VECTOR a00 = s[0], a10 = s[1], a20 = s[2], a30 = s[3], a40 = s[4];
    VECTOR a01 = s[5], a11 = s[6], a21 = s[7], a31 = s[8], a41 = s[9];
    VECTOR a02 = s[10], a12 = s[11], a22 = s[12], a32 = s[13], a42 = s[14];
    VECTOR a03 = s[15], a13 = s[16], a23 = s[17], a33 = s[18], a43 = s[19];
    VECTOR a04 = s[20], a14 = s[21], a24 = s[22], a34 = s[23], a44 = s[24];
    for (int round = 0; round < 24; round++) {
        // Theta.
        VECTOR c0 = a00 ^ a01 ^ a02 ^ a03 ^ a04;
        VECTOR c1 = a10 ^ a11 ^ a12 ^ a13 ^ a14;
        VECTOR c2 = a20 ^ a21 ^ a22 ^ a23 ^ a24;
        VECTOR c3 = a30 ^ a31 ^ a32 ^ a33 ^ a34;
        VECTOR c4 = a40 ^ a41 ^ a42 ^ a43 ^ a44;
        VECTOR d0 = c4 ^ ROTATE(c1, 1), d1 = c0 ^ ROTATE(c2, 1), d2 = c1 ^ ROTATE(c3, 1);
        VECTOR d3 = c2 ^ ROTATE(c4, 1), d4 = c3 ^ ROTATE(c0, 1);
        // Rho and pi.
        VECTOR b00 = a00 ^ d0;
        VECTOR b10 = ROTATE(a11 ^ d1, 44), b20 = ROTATE(a22 ^ d2, 43);
        VECTOR b30 = ROTATE(a33 ^ d3, 21), b40 = ROTATE(a44 ^ d4, 14);
        VECTOR b01 = ROTATE(a30 ^ d3, 28), b11 = ROTATE(a41 ^ d4, 20);
        VECTOR b21 = ROTATE(a02 ^ d0, 3), b31 = ROTATE(a13 ^ d1, 45);
        VECTOR b41 = ROTATE(a24 ^ d2, 61), b02 = ROTATE(a10 ^ d1, 1);
        VECTOR b12 = ROTATE(a21 ^ d2, 6), b22 = ROTATE(a32 ^ d3, 25);
        VECTOR b32 = ROTATE(a43 ^ d4, 8), b42 = ROTATE(a04 ^ d0, 18);
        VECTOR b03 = ROTATE(a40 ^ d4, 27), b13 = ROTATE(a01 ^ d0, 36);
        VECTOR b23 = ROTATE(a12 ^ d1, 10), b33 = ROTATE(a23 ^ d2, 15);
        VECTOR b43 = ROTATE(a34 ^ d3, 56), b04 = ROTATE(a20 ^ d2, 62);
        VECTOR b14 = ROTATE(a31 ^ d3, 55), b24 = ROTATE(a42 ^ d4, 39);
        VECTOR b34 = ROTATE(a03 ^ d0, 41), b44 = ROTATE(a14 ^ d1, 2);
        // Chi, and iota on the first lane.
        a00 = b00 ^ (~b10 & b20) ^ round_constants[round];
        a10 = b10 ^ (~b20 & b30), a20 = b20 ^ (~b30 & b40);
        a30 = b30 ^ (~b40 & b00), a40 = b40 ^ (~b00 & b10);
        a01 = b01 ^ (~b11 & b21), a11 = b11 ^ (~b21 & b31), a21 = b21 ^ (~b31 & b41);
        a31 = b31 ^ (~b41 & b01), a41 = b41 ^ (~b01 & b11);
        a02 = b02 ^ (~b12 & b22), a12 = b12 ^ (~b22 & b32), a22 = b22 ^ (~b32 & b42);
        a32 = b32 ^ (~b42 & b02), a42 = b42 ^ (~b02 & b12);
        a03 = b03 ^ (~b13 & b23), a13 = b13 ^ (~b23 & b33), a23 = b23 ^ (~b33 & b43);
        a33 = b33 ^ (~b43 & b03), a43 = b43 ^ (~b03 & b13);
        a04 = b04 ^ (~b14 & b24), a14 = b14 ^ (~b24 & b34), a24 = b24 ^ (~b34 & b44);
        a34 = b34 ^ (~b44 & b04), a44 = b44 ^ (~b04 & b14);
    }
    s[0] = a00, s[1] = a10, s[2] = a20, s[3] = a30, s[4] = a40;
    s[5] = a01, s[6] = a11, s[7] = a21, s[8] = a31, s[9] = a41;
    s[10] = a02, s[11] = a12, s[12] = a22, s[13] = a32, s[14] = a42;
    s[15] = a03, s[16] = a13, s[17] = a23, s[18] = a33, s[19] = a43;
    s[20] = a04, s[21] = a14, s[22] = a24, s[23] = a34, s[24] = a44;
#undef ROTATE
}
