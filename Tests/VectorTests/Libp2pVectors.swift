import ChoraleBase
import Codec
import PeerIdentity
import TestSupport
import Testing

/// Checkers for the files of `libp2p/`.
enum Libp2pVectors {
    static let checkers: [String: VectorChecker] = [
        "libp2p/base32.json": { try baseText($0, .base32) },
        "libp2p/base58btc.json": { try baseText($0, .base58btc) },
        "libp2p/multibase-basic.csv": multibase,
        "libp2p/multibase-leading_zero.csv": multibase,
        "libp2p/multiaddr.json": multiaddr,
        "libp2p/multiaddr-protocols.csv": multiaddrProtocols,
        "libp2p/peer-id-strings.json": peerIDStrings,
        "libp2p/varint.json": varint,
    ]

    private static func baseText(_ path: String, _ encoding: Multibase.Encoding) throws -> Int {
        let file = try Vectors.json(path)
        for entry in try file["valid"].array {
            #expect(encoding.encode(try entry["hex"].hex) == (try entry["text"].string))
            #expect(try encoding.decode(entry["text"].string) == (try entry["hex"].hex))
        }
        for entry in try file["invalid"].array {
            let text = try entry["text"].string
            #expect(throws: Multibase.DecodeError.self, "\(text.debugDescription)") {
                try encoding.decode(text)
            }
        }
        return try file["valid"].array.count + file["invalid"].array.count
    }

    private static func lines(_ path: String) throws -> [[String]] {
        let text = String(decoding: try Vectors.data(path), as: UTF8.self)
        return text.split(whereSeparator: \.isNewline).map { line in
            line.split(separator: ",", maxSplits: 3, omittingEmptySubsequences: false).map {
                var field = $0[...]
                while field.first?.isWhitespace == true { field.removeFirst() }
                while field.last?.isWhitespace == true { field.removeLast() }
                return String(field)
            }
        }
    }

    private static func multibase(_ path: String) throws -> Int {
        let rows = try lines(path)
        let quoted = try #require(rows.first)[1].dropFirst().dropLast()
        let bytes = Array(quoted.replacing("\\x00", with: "\0").utf8)
        var count = 0
        for row in rows.dropFirst() {
            let text = String(row[1].dropFirst().dropLast())
            count += 1
            // Experimental, and used by nothing: its prefix must be refused rather than misread.
            if row[0] == "base256emoji" {
                #expect(throws: Multibase.DecodeError.unknownPrefix("🚀")) {
                    try Multibase.decode(text)
                }
                continue
            }
            let encoding = try #require(
                Multibase.Encoding.allCases.first { "\($0)" == row[0] }, "\(row[0])")
            #expect(Multibase.encode(bytes, as: encoding) == text)
            let decoded = try Multibase.decode(text)
            #expect(decoded.encoding == encoding)
            #expect(decoded.bytes == bytes)
        }
        return count
    }

    private static func multiaddr(_ path: String) throws -> Int {
        let file = try Vectors.json(path)
        for entry in try file["valid"].array {
            let text = try entry["text"].string
            let bytes = try entry["hex"].hex
            let canonical = try entry["canonical"].string
            let address = try Multiaddr(text)
            #expect(address.bytes == bytes, "\(text)")
            #expect(address.text == canonical, "\(text)")
            let read = try Multiaddr(bytes: bytes)
            #expect(read == address, "\(text)")
            #expect(try Multiaddr(read.components) == address, "\(text)")
            #expect(try Multiaddr(canonical) == address, "\(text)")
        }
        for entry in try file["invalid_text"].array {
            let text = try entry["text"].string
            #expect(throws: Multiaddr.ParseError.self, "\(text)") { try Multiaddr(text) }
        }
        for entry in try file["invalid_bytes"].array {
            let bytes = try entry["hex"].hex
            #expect(throws: Multiaddr.ParseError.self, "\(Hex.encode(bytes))") {
                try Multiaddr(bytes: bytes)
            }
        }
        return try file["valid"].array.count + file["invalid_text"].array.count
            + file["invalid_bytes"].array.count
    }

    private static func multiaddrProtocols(_ path: String) throws -> Int {
        let rows = try lines(path).dropFirst()
        for row in rows {
            let code = try #require(UInt64(row[0]))
            let known = try #require(MultiaddrProtocol(rawValue: code), "\(row[2])")
            #expect(MultiaddrProtocol(name: row[2]) == known)
            // The table gives `memory` no fixed size; go-multiaddr and the vectors do.
            if known == .memory { continue }
            let size: MultiaddrProtocol.ValueSize =
                row[1] == "V" ? .prefixed : .fixed(try #require(Int(row[1])) / 8)
            #expect(known.valueSize == size, "\(row[2])")
        }
        #expect(Set(rows.map { $0[0] }).count == MultiaddrProtocol.allCases.count)
        return rows.count
    }

    private static func peerIDStrings(_ path: String) throws -> Int {
        let file = try Vectors.json(path)
        for entry in try file["valid"].array {
            let multihash = try entry["multihash"].hex
            for form in ["text", "base58", "cid_base32", "cid_base36"] {
                let id = try PeerID(text: try entry[form].string)
                #expect(id.multihash == multihash, "\(form)")
                #expect(id.description == (try entry["base58"].string))
                #expect(id.cid == (try entry["cid_base32"].string))
            }
        }
        for entry in try file["invalid"].array {
            let text = try entry["text"].string
            #expect(throws: Multihash.PeerIDError.self, "\(text.debugDescription)") {
                try PeerID(text: text)
            }
        }
        return try file["valid"].array.count + file["invalid"].array.count
    }

    private static func varint(_ path: String) throws -> Int {
        let file = try Vectors.json(path)
        for entry in try file["valid"].array {
            let bytes = try entry["hex"].hex
            let value = try entry["value"].uint64
            #expect(Varint.encoded(value) == bytes)
            let decoded = try Varint.decode(bytes.span)
            #expect(decoded == Varint.Decoded(value: value, size: bytes.count))
        }
        for entry in try file["invalid"].array {
            let bytes = try entry["hex"].hex
            // Cut varints are not errors: they give nil, "more bytes please".
            let decoded = try? Varint.decode(bytes.span)
            #expect(decoded == nil, "\(Hex.encode(bytes))")
        }
        for entry in try file["prefix_reads"].array {
            let bytes = try entry["hex"].hex
            let decoded = try Varint.decode(bytes.span)
            let expected = Varint.Decoded(
                value: try entry["value"].uint64, size: try entry["used"].int)
            #expect(decoded == expected)
        }
        return try file["valid"].array.count + file["invalid"].array.count
            + file["prefix_reads"].array.count
    }
}
