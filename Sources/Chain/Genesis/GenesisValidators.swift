import ChoraleBase
import ChoraleTypes
import Codec
import Execution

/// What `validators.yaml` says: a record for each validator, in the order of their indices.
///
///     - index: 0
///       name: validator-0
///       publicKey: "0x…"
///       stake: 32000000000
///       feeRecipient: "0x…"
struct GenesisValidators {
    private(set) var validators: [Validator] = []
    private(set) var feeRecipients: [Address] = []

    private static let names = ["index", "name", "publicKey", "stake", "feeRecipient"]

    init(_ bytes: [UInt8]) throws(GenesisError) {
        let text = try NetworkFile.validators.text(bytes)
        let list: RecordListText
        do throws(SettingsText.SyntaxError) {
            list = try RecordListText(text, recordCountMax: ConsensusBounds.validatorsMax)
        } catch {
            throw GenesisError(.validators, .line(error.line), .yaml(error.reason))
        }
        for (index, record) in list.records.enumerated() { try add(record, index) }
    }

    private mutating func add(
        _ record: RecordListText.Record, _ index: Int
    ) throws(GenesisError) {
        for entry in record.entries where !Self.names.contains(entry.key) {
            throw GenesisError(
                .validators, .line(entry.line), .unknownName(entry.key, known: Self.names))
        }
        func value<Value>(
            _ name: String, _ expected: String, _ read: (String) -> Value?
        ) throws(GenesisError) -> Value {
            guard let entry = record[name] else {
                throw GenesisError(.validators, .line(record.line), .nameMissing(name))
            }
            guard let value = read(entry.value) else {
                throw GenesisError(
                    .validators, .line(entry.line),
                    .value("\(name): \(entry.value)", expected: expected))
            }
            return value
        }
        // Said and not only counted, so that a record that was lost or moved is noticed.
        _ = try value("index", "\(index), its place in the list") {
            UInt64(decimal: $0) == UInt64(index) ? index : nil
        }
        let key = try value("publicKey", "an Ed25519 public key of 32 bytes in hexadecimal") {
            (text) -> SigningKeyBytes? in
            guard let bytes = try? Hex.decode(text), bytes.count == 32 else { return nil }
            return SigningKeyBytes(scheme: .ed25519, bytes: bytes)
        }
        let limit = ConsensusBounds.totalStakeMax
        let stake = try value("stake", "a number of gwei from 1 to \(limit)") { (text) -> UInt64? in
            guard let number = UInt64(decimal: text), (1...limit).contains(number) else {
                return nil
            }
            return number
        }
        let recipient = try value("feeRecipient", "an address of 20 bytes in hexadecimal") {
            Address(genesisText: $0)
        }
        validators.append(Validator(key: key, stake: stake))
        feeRecipients.append(recipient)
    }
}
