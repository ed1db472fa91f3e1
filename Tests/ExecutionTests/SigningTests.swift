import ChoraleBase
import Crypto
import Testing

@testable import Execution

/// Signatures of transactions, against those of others for the same key.
@Suite struct SigningTests {
    static let key = try! Secp256k1.PrivateKey(
        SecretBytes(copying: [UInt8](repeating: 0x46, count: 32)))
    static let recipient = Address(
        UInt256(bigEndian: [UInt8](repeating: 0x35, count: 20).span)!)

    static func transaction(
        _ kind: Transaction.Kind, chainID: UInt64?, nonce: UInt64, tip: UInt64, fee: UInt64,
        gas: UInt64, to: Address? = recipient, value: UInt64 = 1_000_000_000_000_000_000,
        data: [UInt8] = [], accessList: [Transaction.AccessListEntry] = []
    ) -> Transaction {
        Transaction(
            kind: kind, chainID: chainID.map { UInt256($0) }, nonce: nonce,
            maxPriorityFeePerGas: UInt256(tip), maxFeePerGas: UInt256(fee), gasLimit: gas, to: to,
            value: UInt256(value), data: data, accessList: accessList)
    }

    static let gwei: UInt64 = 1_000_000_000

    /// The first is the example of EIP-155; the others are of eth-account 0.13 from PyPI.
    static let rows: [(name: String, transaction: Transaction, encoding: String)] = [
        (
            "EIP-155",
            transaction(
                .legacy, chainID: 1, nonce: 9, tip: 20 * gwei, fee: 20 * gwei, gas: 21_000),
            "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080"
                + "25a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"
                + "a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
        ),
        (
            "of any chain",
            transaction(
                .legacy, chainID: nil, nonce: 0, tip: gwei, fee: gwei, gas: 53_000, to: nil,
                value: 0, data: [0x60, 0]),
            "f85180843b9aca0082cf0880808260001c"
                + "a05c2dcbbe742b56115fa850913afcbc8a0abdc1a29de55068aa2e83f9abf61670"
                + "a072e1afb0f260a95f3f8ed3a11728fa86f21738944d83d4fd962ca8c9c3aec77c"
        ),
        (
            "EIP-2930",
            transaction(
                .accessList, chainID: 5, nonce: 1, tip: gwei, fee: gwei, gas: 50_000, value: 1),
            "01f8650501843b9aca0082c3509435353535353535353535353535353535353535350180c080"
                + "a07d05f41497e622564c0ae3453729ec67031a6fca90a9f397f959e94cd8dc651b"
                + "a022ead557568ec0e82c5a1f927a472be51e7d4427341ba74ac483f17b29d5b02d"
        ),
        (
            "EIP-1559",
            transaction(
                .dynamicFee, chainID: 1337, nonce: 7, tip: gwei, fee: 3 * gwei, gas: 60_000,
                data: [0xC0, 0xDE],
                accessList: [
                    .init(
                        address: Address(
                            UInt256(bigEndian: [UInt8](repeating: 0x11, count: 20).span)!),
                        slots: [Bytes32([UInt8](repeating: 0x22, count: 32))!])
                ]),
            "02f8af82053907843b9aca0084b2d05e0082ea6094353535353535353535353535353535353535353588"
                + "0de0b6b3a764000082c0def838f7941111111111111111111111111111111111111111e1"
                + "a0222222222222222222222222222222222222222222222222222222222222222280"
                + "a0229224b8bb6fcc0f58afee3906673dcf3c387da4a4ca7db7cab691c0a8917b55"
                + "a03144f9cd40a6fb5ef36f240f5ce3085d9c812b8fcf123a1797aa0a1ee6e6e870"
        ),
    ]

    @Test(arguments: rows.indices) func signsAsOthersDo(index: Int) throws {
        let row = Self.rows[index]
        let signed = row.transaction.signed(by: Self.key)
        #expect(Hex.encode(signed.encoded) == row.encoding, "\(row.name)")
        let sender = try signed.sender()
        #expect(sender == Address(Self.key.publicKey))
        #expect(sender.description == "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f")
        // What is signed does not depend on a signature that is there.
        #expect(signed.signed(by: Self.key) == signed)
        // Read back, it is the same.
        let bytes = signed.encoded
        #expect(try Transaction(bytes.span) == signed)
    }

    @Test func anotherChainHasAnotherSender() throws {
        var signed = Self.rows[3].transaction.signed(by: Self.key)
        signed.chainID = UInt256(1338)
        #expect(try signed.sender() != Address(Self.key.publicKey))
    }
}
