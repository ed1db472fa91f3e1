import Admin
import ArgumentParser
import Codec
import Glibc

extension AdminCommand {
    struct PublishProver: AdminQuery {
        static let configuration = CommandConfiguration(
            "Sign this node's prover identity and keep it published in the DHT.",
            example: "chorale admin publish-prover --data-dir node")
        @OptionGroup var options: AdminOptions

        func call() throws(Failure) -> AdminCall { AdminCall("chorale_publishProver") }

        func lines(_ result: JSONValue) -> [String] {
            proverLines(result, "stored by", "peers")
        }
    }

    struct FindProver: AdminQuery {
        static let configuration = CommandConfiguration(
            "Find a prover's identity record in the DHT.",
            example: "chorale admin find-prover --data-dir node 12D3KooW…")
        @OptionGroup var options: AdminOptions
        @Argument(help: "A peer id, or an Ed25519 public key in hex.") var prover: String

        func call() throws(Failure) -> AdminCall {
            AdminCall("chorale_findProver", ["publicKey": .string(prover)])
        }

        func lines(_ result: JSONValue) -> [String] {
            proverLines(result, "agreed on by", "that answered")
        }
    }
}

/// - Parameters:
///   - acknowledged: what the first count says of those that it counts.
///   - of: what the second one counts.
private func proverLines(_ prover: JSONValue, _ acknowledged: String, _ of: String) -> [String] {
    let addresses = (prover["addresses"]?.array ?? []).compactMap(\.string)
    var table = Table("public key", prover.text(of: "publicKey"))
    table.add("record key", prover.text(of: "key"))
    table.add("sequence", prover.text(of: "sequence"))
    let seconds = Int64(clamping: prover["expires"]?.uint64 ?? 0) - Int64(time(nil))
    table.add("expires", seconds > 0 ? "in \(Human.duration(seconds: seconds))" : "is expired")
    table.add("addresses", addresses.joined(separator: ", "))
    table.add(
        acknowledged, "\(prover.text(of: "acknowledged")) of \(prover.text(of: "of")) \(of)")
    return table.lines
}
