import ChoraleBase
import Codec
import Crypto
import Execution

/// An account that a load sends from.
struct LoadAccount {
    let name: String
    let address: Address
    let key: Secp256k1.PrivateKey
}

/// The file that `chorale genesis` writes: accounts with their private keys.
enum LoadAccounts {
    /// More are not needed to fill any chain, and each is asked for at the start.
    static let countMax = 1024

    /// The first ``countMax`` accounts of a file.
    static func load(_ path: String) throws(Failure) -> [LoadAccount] {
        try parse(try Files.text(path, sizeMax: 256 << 20), path)
    }

    static func parse(_ text: String, _ path: String) throws(Failure) -> [LoadAccount] {
        let list: RecordListText
        do throws(SettingsText.SyntaxError) {
            list = try RecordListText(text, recordCountMax: 2_000_000)
        } catch {
            throw Failure("\(path) line \(error.line): \(error.reason)")
        }
        var accounts: [LoadAccount] = []
        for record in list.records.prefix(countMax) {
            // The key itself is never shown.
            guard let entry = record["privateKey"], let bytes = try? Hex.decode(entry.value),
                let key = try? Secp256k1.PrivateKey(SecretBytes(copying: bytes))
            else {
                throw Failure("\(path) line \(record.line): the account has no usable privateKey")
            }
            let address = Address(key.publicKey)
            if let said = record["address"], said.value.lowercased() != address.description {
                throw Failure("\(path) line \(said.line): the key is that of \(address)")
            }
            accounts.append(
                LoadAccount(
                    name: record["name"]?.value ?? address.description, address: address, key: key))
        }
        return accounts
    }
}
