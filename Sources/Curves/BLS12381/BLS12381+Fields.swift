extension BLS12381 {
    /// The base field's prime, p = (x − 1)²(x⁴ − x² + 1)/3 + x for x = −0xd201000000010000.
    enum BaseModulus: Modulus6 {
        @inline(__always)
        static var limbs: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) {
            (
                0xb9fe_ffff_ffff_aaab, 0x1eab_fffe_b153_ffff, 0x6730_d2a0_f6b0_f624,
                0x6477_4b84_f385_12bf, 0x4b1b_a7b6_434b_acd7, 0x1a01_11ea_397f_e69a
            )
        }

        @inline(__always)
        static var negatedInverse: UInt64 { 0x89f3_fffc_fffc_fffd }

        @inline(__always)
        static var one: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) {
            (
                0x7609_0000_0002_fffd, 0xebf4_000b_c40c_0002, 0x5f48_9857_53c7_58ba,
                0x77ce_5853_7052_5745, 0x5c07_1a97_a256_ec6d, 0x15f6_5ec3_fa80_e493
            )
        }

        @inline(__always)
        static var radixSquared: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) {
            (
                0xf4df_1f34_1c34_1746, 0x0a76_e6a6_09d1_04f1, 0x8de5_476c_4c95_b6d5,
                0x67eb_88a9_939d_83c0, 0x9a79_3e85_b519_952d, 0x1198_8fe5_92ca_e3aa
            )
        }
    }

    typealias Fp = Field6<BaseModulus>
}
