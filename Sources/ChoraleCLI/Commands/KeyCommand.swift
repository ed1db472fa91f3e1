import Admin
import ArgumentParser
import ChoraleBase
import Codec
import Crypto
import PeerIdentity

struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Create and look at private keys of nodes.",
        discussion: """
            EXAMPLE
              chorale key generate node.key
              chorale key inspect node.key
            """,
        subcommands: [Generate.self, Inspect.self])

    struct Generate: ParsableCommand {
        static let configuration = CommandConfiguration(
            "Create a key in a new file, and print its peer id.",
            example: "chorale key generate node.key")

        @Argument(help: "The file to create, with mode 0600.") var file: String
        @Option(help: "ed25519, or secp256k1, which cannot sign prover identities.")
        var type = KeyKind.ed25519
        @Flag(help: "Print JSON instead of text.") var json = false

        func run() throws {
            let key: IdentityKey
            switch type {
            case .ed25519: key = IdentityKey(Ed25519.PrivateKey.random())
            case .secp256k1: key = IdentityKey(Secp256k1.PrivateKey.random())
            }
            try KeyFile.create(key, at: file)
            Console.print(
                json ? keyObject(key.publicKey, file).text : "\(key.peerID)")
        }
    }

    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            "Print the public half of a key: type, peer id, public key.",
            example: "chorale key inspect node/identity.key --json")

        @Argument(help: "A private key in libp2p's protobuf form.") var file: String
        @Flag(help: "Print JSON instead of text.") var json = false

        func run() throws {
            let key = try KeyFile.publicKey(file)
            guard !json else { return Console.print(keyObject(key, file)) }
            var table = Table("type", "\(key.type)")
            table.add("peer id", "\(key.peerID)")
            table.add("as CID", key.peerID.cid)
            table.add("public key", Hex.encode(key.encoded))
            Console.print(table.lines.joined(separator: "\n"))
        }
    }
}

enum KeyKind: String, CaseIterable, ExpressibleByArgument { case ed25519, secp256k1 }

private func keyObject(_ key: PublicKey, _ file: String) -> JSONValue {
    .object([
        "type": .string("\(key.type)"), "peerId": .string("\(key.peerID)"),
        "cid": .string(key.peerID.cid), "publicKey": .string(Hex.encode(key.encoded)),
        "file": .string(Files.absolute(file)),
    ])
}
