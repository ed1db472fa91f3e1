import CAres
import CLibuv
import Codec
import Glibc
import Synchronization
import Testing

@testable import DriverUV

enum FakeRecord: Sendable {
    case a([UInt8])
    case aaaa([UInt8])
    /// The strings of one record.
    case txt([String])
    case txtBytes([UInt8])
    /// Makes the whole reply a few bytes of nonsense.
    case garbage

    var type: UInt16 {
        switch self {
        case .a: 1
        case .aaaa: 28
        case .txt, .txtBytes, .garbage: 16
        }
    }

    var content: [UInt8] {
        switch self {
        case .a(let bytes), .aaaa(let bytes): bytes
        case .txt(let strings): strings.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        case .txtBytes(let bytes): [UInt8(bytes.count)] + bytes
        case .garbage: []
        }
    }
}

/// A DNS server on a loopback UDP socket and a thread of its own.
///
/// Unchecked, because `thread` belongs to the test and not to the thread.
final class FakeDNSServer: @unchecked Sendable {
    let address: SocketAddress
    let isSilent = Atomic<Bool>(false)
    let questionCount = Atomic<Int>(0)

    private let zone: [String: [FakeRecord]]
    private let descriptor: Int32
    private var thread: Joined?

    init(zone: [String: [FakeRecord]]) throws {
        self.zone = zone
        let descriptor = socket(AF_INET, chorale_sock_dgram, 0)
        try #require(descriptor >= 0)
        self.descriptor = descriptor
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        try #require(loopback.withSocketAddress { bind(descriptor, $0, size) } == 0)
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &length)
            }
        }
        try #require(status == 0)
        address = try #require(SocketAddress(storage))
        thread = Joined(try WorkerThread(name: "dns") { [self] in serve() })
    }

    /// Wakes the thread by an empty datagram, which ends it.
    func stop() {
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = address.withSocketAddress { sendto(descriptor, "", 0, 0, $0, size) }
        thread?.join()
        thread = nil
        close(descriptor)
    }

    private func serve() {
        var buffer = [UInt8](repeating: 0, count: 2_048)
        while true {
            var peer = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let count = withUnsafeMutablePointer(to: &peer) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length)
                }
            }
            guard count > 0 else { return }
            questionCount.add(1, ordering: .relaxed)
            guard !isSilent.load(ordering: .relaxed) else { continue }
            let reply = reply(to: Array(buffer[..<count]))
            _ = withUnsafePointer(to: &peer) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(descriptor, reply, reply.count, 0, $0, length)
                }
            }
        }
    }

    private func reply(to query: [UInt8]) -> [UInt8] {
        // 12 bytes of header, the labels, type and class.
        var labels: [String] = []
        var position = 12
        while query[position] != 0 {
            let size = Int(query[position])
            labels.append(
                String(decoding: query[(position + 1)...(position + size)], as: UTF8.self))
            position += 1 + size
        }
        let type = UInt16(query[position + 1]) << 8 | UInt16(query[position + 2])
        let records = zone[labels.joined(separator: ".").lowercased()]
        let matching = (records ?? []).filter { $0.type == type }
        if matching.contains(where: { if case .garbage = $0 { true } else { false } }) {
            return Array(query[..<2]) + [0x81, 0x80, 0, 1, 0, 200, 0, 0, 0, 0, 0xC0, 0xFF]
        }
        let code: UInt8 = records == nil ? 3 : 0
        var reply = Array(query[..<2])
        reply += [0x81, 0x80 | code, 0, 1, 0, UInt8(matching.count), 0, 0, 0, 0]
        reply += query[12..<(position + 5)]
        for record in matching {
            let content = record.content
            reply += [0xC0, 12, UInt8(type >> 8), UInt8(type & 0xFF), 0, 1, 0, 0, 0, 60]
            reply += [UInt8(content.count >> 8), UInt8(content.count & 0xFF)] + content
        }
        return reply
    }
}
