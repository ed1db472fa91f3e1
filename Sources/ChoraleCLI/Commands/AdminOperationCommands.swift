import ArgumentParser
import ChoraleBase
import Codec

extension AdminCommand {
    struct Proofs: WatchedQuery {
        static let configuration = CommandConfiguration(
            "What the node has executed, proven and verified of operations.",
            example: "chorale admin proofs --data-dir node --watch")
        @OptionGroup var options: AdminOptions
        @OptionGroup var watching: WatchOptions

        func call() throws(Failure) -> AdminCall { AdminCall("chorale_proofs") }

        func lines(_ result: JSONValue) -> [String] { OperationDrawing.proofs(result) }
    }

    struct Assignments: WatchedQuery {
        static let configuration = CommandConfiguration(
            "Who is asked about the parts that the block of a height committed to.",
            example: "chorale admin assignments --data-dir node 1207")
        @OptionGroup var options: AdminOptions
        @OptionGroup var watching: WatchOptions
        @Argument(
            help: ArgumentHelp("The height of the block with the commitment.", valueName: "slot"))
        var height: UInt64

        func validate() throws {
            guard height <= Int64.max else {
                throw ValidationError("\(height) is no height of a chain")
            }
        }

        func call() throws(Failure) -> AdminCall {
            AdminCall("chorale_assignments", ["height": JSONValue(height)])
        }

        func lines(_ result: JSONValue) -> [String] { OperationDrawing.assignments(result) }
    }

    struct Operation: WatchedQuery {
        static let configuration = CommandConfiguration(
            commandName: "op",
            abstract: "Operations; with an id, one of them and what is known of its parts.",
            discussion: """
                EXAMPLE
                  chorale admin op --data-dir node
                  chorale admin op --data-dir node 0x1f3c… --watch
                """)
        @OptionGroup var options: AdminOptions
        @OptionGroup var watching: WatchOptions
        @Argument(help: "The operation's id, 32 bytes in hex.") var id: String?

        func validate() throws { if let id { _ = try OperationID.parse(id) } }

        func call() throws(Failure) -> AdminCall {
            guard let id else { return AdminCall("chorale_operations") }
            return OperationID.call(id)
        }

        func lines(_ result: JSONValue) -> [String] {
            id == nil ? OperationDrawing.list(result) : OperationDrawing.details(result)
        }
    }
}

/// The id of an operation as an argument.
enum OperationID {
    static func parse(_ text: String) throws(ValidationError) -> Bytes32 {
        let digits = text.hasPrefix("0x") ? text : "0x" + text
        guard let id = Bytes32(hexText: digits) else {
            throw ValidationError(
                "an operation's id has 32 bytes in hex, as `chorale op list` shows; not `\(text)`")
        }
        return id
    }

    static func call(_ id: String) -> AdminCall {
        AdminCall("chorale_operation", ["id": .string(id)])
    }
}
