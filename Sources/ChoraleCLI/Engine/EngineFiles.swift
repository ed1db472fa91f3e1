import ChoraleBase
import Codec
import EngineAPI
import Execution
import Glibc

/// What an engine remembers besides its base: blocks that are not final, a file each, and the forkchoice.
///
/// A block is executed again when the engine starts, and so its file needs neither a sync nor a checksum: one that
/// is torn is no block, and is dropped. What a machine that lost power forgets, the consensus client sends again.
final class EngineFiles {
    struct Forkchoice {
        var head: Bytes32
        var safe: Bytes32
        var finalized: Bytes32
    }

    private let directory: String
    private let forkchoicePath: String
    private var failureTold: String?

    /// - Parameter path: the engine's directory.
    init(_ path: String) throws(Failure) {
        directory = Files.join(path, "unfinal")
        forkchoicePath = Files.join(path, "forkchoice.json")
        try Files.createDirectory(directory, mode: 0o700)
    }

    private func path(_ number: UInt64, _ hash: Bytes32) -> String {
        // In order of their names when they are read.
        let digits = String(number)
        let zeros = String(repeating: "0", count: 20 - digits.count)
        return Files.join(directory, "\(zeros)\(digits)-\(hash)\(Self.suffix)")
    }

    private static let suffix = ".rlp"

    // MARK: Reading

    /// Blocks above a number, parents first. What is no block goes.
    func blocks(above number: UInt64) throws(Failure) -> [Block] {
        var blocks: [Block] = []
        for file in try Files.tree(directory, suffixes: [Self.suffix]) {
            let bytes = try Files.read(file, sizeMax: 64 << 20)
            if let block = try? Block(bytes.span), block.header.number > number,
                path(block.header.number, block.header.hash) == file
            {
                blocks.append(block)
            } else {
                unlink(file)
            }
        }
        return blocks
    }

    /// nil when there is none.
    func forkchoice() throws(Failure) -> Forkchoice? {
        guard Files.exists(forkchoicePath) else { return nil }
        let text = try Files.text(forkchoicePath)
        func digest(_ name: String, _ document: JSONValue) -> Bytes32? {
            document[name]?.string.flatMap { try? Hex.decode($0) }.flatMap { Bytes32($0.span) }
        }
        guard let document = try? JSONValue(parsing: Array(text.utf8)),
            let head = digest("head", document), let safe = digest("safe", document),
            let finalized = digest("finalized", document)
        else {
            throw Failure(
                "\(forkchoicePath) is damaged: delete it, and the engine begins with the last final "
                    + "block")
        }
        return Forkchoice(head: head, safe: safe, finalized: finalized)
    }

    // MARK: Writing

    func keep(_ block: Block, _ hash: Bytes32) {
        let path = path(block.header.number, hash)
        guard !Files.exists(path) else { return }
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { return tell("cannot create \(path)") }
        defer { close(file) }
        var rest = block.encoded[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                tell("cannot write \(path)")
                unlink(path)
                return
            }
            rest = rest.dropFirst(count)
        }
        failureTold = nil
    }

    func drop(_ number: UInt64, _ hash: Bytes32) { unlink(path(number, hash)) }

    func keep(_ choice: Forkchoice) {
        let document = JSONValue.object([
            "head": .string("0x\(choice.head)"), "safe": .string("0x\(choice.safe)"),
            "finalized": .string("0x\(choice.finalized)"),
        ])
        do throws(Failure) {
            try Files.replace(forkchoicePath, document.encoded)
        } catch {
            Console.error("\(error)")
        }
    }

    /// The engine goes on, and remembers less if it is killed. Told once until it works again.
    private func tell(_ text: String) {
        let text = "\(text): \(String(cString: strerror(errno)))"
        guard failureTold != text else { return }
        failureTold = text
        Console.error(text)
    }
}
