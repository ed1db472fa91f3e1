/// Why a command did not do what was asked, in one line for a person.
package struct Failure: Error, Hashable, CustomStringConvertible {
    package enum Kind: Hashable {
        /// Exit status 1.
        case failed
        /// Exit status 2: the command line, the environment or a configuration file is wrong.
        case usage
    }

    package let kind: Kind
    package let message: String

    init(_ message: String) {
        kind = .failed
        self.message = message
    }

    static func usage(_ message: String) -> Failure { Failure(kind: .usage, message: message) }

    private init(kind: Kind, message: String) {
        self.kind = kind
        self.message = message
    }

    package var description: String { message }
}
