import ChoraleBase
import Execution
import Glibc

/// Measurements of the executor, made one at a time as the harness asks for them, so that it can make
/// others in between.
///
/// One request a line on standard input, one line of JSON for each on standard output:
///
///     loads                                what the virtual machine is given to run
///     run NAME                             one load, once
///     open NETWORK BLOCK-FILE WITNESS-FILE a block and a witness in RLP; the answer is its number
///     stages N [keeping-codes]             a block statelessly, stage by stage
///     way N WAY                            a block in one of the ways that are compared
///     disk N FOLDER                        a block on a state in a database there, and in memory
///     calls N COUNT                        stateless calls, for the memory they leave behind
///     rlp | hex                            encodings of a large witness
public enum ExecutionTool {
    public static func run() throws {
        var blocks: [RealBlock] = []
        while let line = readLine() {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            let rest = words.count > 1 ? words[1] : ""
            print(try answer(words.first ?? "", rest, &blocks))
            fflush(nil)
        }
    }

    private static func answer(
        _ request: String, _ rest: String, _ blocks: inout [RealBlock]
    ) throws -> String {
        switch request {
        case "loads":
            return "[\(Load.all.map(\.json).joined(separator: ", "))]"
        case "run":
            guard let load = Load.all.first(where: { $0.name == rest }) else {
                throw MeasurementError("no load is called '\(rest)'")
            }
            let (seconds, gas) = try Interpreter.run(load)
            return "{\"seconds\": \(seconds), \"gas\": \(gas)}"
        case "open":
            let words = rest.split(separator: " ").map(String.init)
            guard words.count == 3 else { throw MeasurementError("open NETWORK BLOCK WITNESS") }
            blocks.append(
                try RealBlock(
                    network: words[0], block: try contents(words[1]),
                    witness: try contents(words[2])))
            return "{\"number\": \(blocks.count - 1), \"gas\": \(blocks[blocks.count - 1].gasUsed)}"
        case "rlp":
            let (encode, decode) = try Encodings.rlp()
            return "{\"encode\": \(encode), \"decode\": \(decode)}"
        case "hex":
            let (encode, decode, size) = try Encodings.hex()
            return "{\"encode\": \(encode), \"decode\": \(decode), \"size\": \(size)}"
        default:
            let words = rest.split(separator: " ").map(String.init)
            guard let number = words.first.flatMap(Int.init), blocks.indices.contains(number) else {
                throw MeasurementError("no such request: \(request) \(rest)")
            }
            return try answer(request, blocks[number], words.count > 1 ? words[1] : "")
        }
    }

    private static func answer(
        _ request: String, _ block: RealBlock, _ argument: String
    ) throws -> String {
        switch request {
        case "stages":
            let stages = try block.stages(keepsCodes: argument == "keeping-codes")
            return
                "{\"decode\": \(stages.decode), \"senders\": \(stages.senders), "
                + "\"execute\": \(stages.execute), \"root\": \(stages.root)}"
        case "way":
            guard let way = RealBlock.Way(rawValue: argument) else {
                throw MeasurementError("no such way: \(argument)")
            }
            return "{\"seconds\": \(try block.seconds(way))}"
        case "disk":
            let disk = try block.onDisk(folder: argument)
            return
                "{\"memory\": \(disk.memory), \"cached\": \(disk.cached), "
                + "\"cold\": \(disk.cold), \"unchecked\": \(disk.unchecked), "
                + "\"commit\": \(disk.commit), \"nodes\": \(disk.nodeCount)}"
        case "calls":
            let count = Int(argument) ?? 1
            for _ in 0..<count { _ = try block.seconds(.stateless) }
            return "{\"calls\": \(count)}"
        default:
            throw MeasurementError("no such request: \(request)")
        }
    }

    private static func contents(_ path: String) throws -> [UInt8] {
        guard let file = fopen(path, "rb") else { throw MeasurementError("\(path): unreadable") }
        defer { fclose(file) }
        fseek(file, 0, SEEK_END)
        var bytes = [UInt8](repeating: 0, count: ftell(file))
        rewind(file)
        guard fread(&bytes, 1, bytes.count, file) == bytes.count else {
            throw MeasurementError("\(path): unreadable")
        }
        return bytes
    }
}
