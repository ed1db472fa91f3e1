/// Somebody else who executes blocks, as an operator names it: `geth=http://127.0.0.1:8551` or
/// `spec=exec:/usr/local/bin/verify-block`, an engine's with `,jwtsecret=FILE` behind it.
public struct Verifier: Hashable, Sendable {
    public enum Target: Hashable, Sendable {
        /// Asked with `engine_executeStatelessPayload`, with a token if it has a secret.
        case engine(url: String, secretPath: String?)
        /// A program, started for each block: one JSON object on its standard input, one on its output.
        case command(path: String)
    }

    public enum ParseError: Error, Hashable, Sendable {
        case noName(String)
        case name(String)
        case target(String)
    }

    /// Whose implementation it is. Those of one family have one voice together.
    public let family: String
    public let target: Target

    /// The family of this program.
    public static let host = "chorale"

    public init(family: String, target: Target) {
        self.family = family
        self.target = target
    }

    public init(_ text: String) throws(ParseError) {
        guard let equals = text.firstIndex(of: "=") else { throw .noName(text) }
        let family = text[..<equals]
        guard (1...32).contains(family.utf8.count),
            family.utf8.allSatisfy({
                0x61...0x7A ~= $0 || 0x30...0x39 ~= $0 || $0 == 0x2D || $0 == 0x5F
            })
        else { throw .name(String(family)) }
        var rest = text[text.index(after: equals)...]
        self.family = String(family)
        if rest.hasPrefix("exec:") {
            let path = rest.dropFirst("exec:".count)
            guard path.hasPrefix("/") else { throw .target(String(rest)) }
            target = .command(path: String(path))
            return
        }
        var secretPath: String?
        if let comma = rest.firstRange(of: ",jwtsecret=") {
            secretPath = String(rest[comma.upperBound...])
            rest = rest[..<comma.lowerBound]
        }
        guard ["http://", "https://"].contains(where: { rest.hasPrefix($0) && rest != $0 }),
            rest.utf8.allSatisfy({ 0x21...0x7E ~= $0 && $0 != 0x2C }), secretPath != ""
        else { throw .target(String(rest)) }
        target = .engine(url: String(rest), secretPath: secretPath)
    }

    /// Where it is, without what is secret.
    public var place: String {
        switch target {
        case .engine(let url, _): url
        case .command(let path): "exec:" + path
        }
    }
}

extension Verifier.ParseError: CustomStringConvertible {
    public var description: String {
        let expected = "give NAME=URL, as in geth=http://127.0.0.1:8551, or NAME=exec:/PATH"
        return switch self {
        case .noName(let text): "`\(text)` names no implementation: \(expected)"
        case .name(let name):
            "`\(name)` is no name of an implementation: 1 to 32 of a-z, 0-9, - and _ are expected"
        case .target(let text): "`\(text)` is no verifier: \(expected)"
        }
    }
}
