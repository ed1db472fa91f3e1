import ChoraleBase
import Codec
import Crypto
import TestSupport
import Testing

/// Snappy blocks, frames and checksums: golang/snappy's and google/snappy's tests, and blocks on
/// which three implementations agreed.
enum SnappyVectors {
    static let checkers: [String: VectorChecker] = [
        "snappy/block.json": blocks,
        "snappy/crc32c.json": checksums,
        "snappy/frame.json": frames,
        "snappy/frame-8.sz": namedByFrames,
        "snappy/frame-11.sz": namedByFrames,
        "snappy/bad-frame-10.sz": namedByFrames,
        "snappy/corpus/manifest.json": corpus,
        "snappy/corpus/alice29.txt": roundTrip,
        "snappy/corpus/fireworks.jpeg": roundTrip,
        "snappy/corpus/geo.protodata": roundTrip,
        "snappy/corpus/html": roundTrip,
        "snappy/corpus/opticks.txt": roundTrip,
        "snappy/corpus/alice29.txt.snappy": block,
        "snappy/corpus/fireworks.jpeg.snappy": block,
        "snappy/corpus/geo.protodata.snappy": block,
        "snappy/corpus/html.snappy": block,
        "snappy/corpus/opticks.txt.snappy": block,
        "snappy/corpus/baddata1.snappy": badBlock,
        "snappy/corpus/baddata2.snappy": badBlock,
        "snappy/corpus/html.sz": framedFile,
    ]

    /// Largest data of any vector is far below this; larger claims are hostile.
    private static let sizeMax = 1 << 20

    private static func decode(_ block: [UInt8]) throws(SnappyError) -> [UInt8] {
        try Snappy.decode(block.span, sizeMax: sizeMax)
    }

    private static func sha256(_ bytes: [UInt8]) -> String {
        Hex.encode(SHA256.hash(bytes.span).bytes)
    }

    /// Reads a framed stream in pieces of `size` bytes.
    private static func unframe(_ stream: [UInt8], pieces size: Int) throws(SnappyError) -> [UInt8]
    {
        var decoder = SnappyFrameDecoder(
            limits: .init(dataSizeMax: sizeMax, inputSizeMax: sizeMax))
        var data: [UInt8] = []
        var start = 0
        while start < stream.count {
            let piece = Array(stream[start..<min(start + size, stream.count)])
            var offset = 0
            while try decoder.next(in: piece.span, from: &offset, into: &data) {}
            start += size
        }
        try decoder.end()
        return data
    }

    private static func blocks(_ path: String) throws -> Int {
        let file = try Vectors.json(path)
        var count = 0
        for row in try file["vectors"].array + file["mutations"].array {
            count += 1
            let input = try row["input"].hex
            let name = (try? row["name"].string) ?? "mutation \(count)"
            if try row.optional("error")?.bool == true {
                #expect(throws: SnappyError.self, "\(name)") { try decode(input) }
                continue
            }
            let data = try decode(input)
            #expect(try data.count == row["output_length"].int, "\(name)")
            #expect(try sha256(data) == row["output_sha256"].string, "\(name)")
            if let output = row.optional("output") {
                #expect(try data == output.hex, "\(name)")
            }
        }
        return count
    }

    private static func checksums(_ path: String) throws -> Int {
        let rows = try Vectors.json(path)["vectors"].array
        for row in rows {
            let data = try row["data"].hex
            let crc = CRC32C.checksum(data.span)
            let masked = CRC32C.masked(data.span)
            #expect(try crc == UInt32(row["crc32c"].string, radix: 16))
            #expect(try masked == UInt32(row["masked"].string, radix: 16))
        }
        return rows.count
    }

    private static func stream(of row: JSON) throws -> [UInt8] {
        if let name = row.optional("input_file") {
            return try Vectors.data("snappy/" + name.string)
        }
        return try row["input"].hex
    }

    private static func frames(_ path: String) throws -> Int {
        let file = try Vectors.json(path)
        let valid = try file["valid"].array
        for row in valid {
            let input = try stream(of: row)
            let name = try row["name"].string
            for pieces in [input.count + 1, 1_000, 7, 1] {
                let data = try unframe(input, pieces: pieces)
                #expect(try data.count == row["output_length"].int, "\(name)")
                #expect(try sha256(data) == row["output_sha256"].string, "\(name)")
            }
        }
        let invalid = try file["invalid"].array
        for row in invalid {
            let input = try stream(of: row)
            let name = try row["name"].string
            for pieces in [input.count + 1, 1_000, 7, 1] {
                #expect(throws: SnappyError.self, "\(name)") { try unframe(input, pieces: pieces) }
            }
        }
        return valid.count + invalid.count
    }

    /// A stream kept in a file of its own: the list of frames must name it.
    private static func namedByFrames(_ path: String) throws -> Int {
        let file = try Vectors.json("snappy/frame.json")
        let rows = try file["valid"].array + file["invalid"].array
        let names = try rows.compactMap { try $0.optional("input_file")?.string }
        #expect(names.contains { "snappy/" + $0 == path })
        return 1
    }

    private static func corpus(_ path: String) throws -> Int {
        let rows = try Vectors.json(path).array
        for row in rows {
            let bytes = try Vectors.data("snappy/corpus/" + row["file"].string)
            #expect(try sha256(bytes) == row["sha256"].string)
        }
        return rows.count
    }

    private static func roundTrip(_ path: String) throws -> Int {
        let data = try Vectors.data(path)
        #expect(try decode(Snappy.encode(data.span)) == data)
        #expect(try unframe(SnappyFrameEncoder.encoded(data.span), pieces: 5_000) == data)
        return 1
    }

    private static func block(_ path: String) throws -> Int {
        let plain = String(path.dropLast(".snappy".count))
        #expect(try decode(Vectors.data(path)) == Vectors.data(plain))
        return 1
    }

    private static func badBlock(_ path: String) throws -> Int {
        let bytes = try Vectors.data(path)
        #expect(throws: SnappyError.blockDamaged) { try decode(bytes) }
        return 1
    }

    private static func framedFile(_ path: String) throws -> Int {
        let stream = try Vectors.data(path)
        let plain = try Vectors.data(String(path.dropLast(".sz".count)))
        for pieces in [stream.count, 4_096, 1] {
            #expect(try unframe(stream, pieces: pieces) == plain)
        }
        return 1
    }
}
