import Foundation
import Glibc
import Testing

@testable import ChoraleCLI

@Suite struct PortHolderTests {
    /// Lines as the kernel prints them (proc(5)): a listener, a connection on the same port, a
    /// listener of IPv6, and lines that are none.
    static let table = """
          sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
           0: 0100007F:0FA1 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1001 1 0
           1: 0100007F:0FA1 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 1002 1 0
           2: 00000000000000000000000001000000:0FA1 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 1003
           3: 0100007F:0FA2 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1004 1 0
           4: nonsense
        """

    @Test func onlyListenersOfThePortCount() {
        #expect(PortHolder.inodes(in: Self.table, port: 4001) == ["1001", "1003"])
        #expect(PortHolder.inodes(in: Self.table, port: 4002) == ["1004"])
        #expect(PortHolder.inodes(in: Self.table, port: 1).isEmpty)
        #expect(PortHolder.inodes(in: "", port: 1).isEmpty)
    }

    @Test func thisProcessIsFound() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 1) == 0
                    && getsockname(descriptor, $0, &size) == 0
            }
        }
        try #require(isBound)
        let holder = try #require(PortHolder.find(port: UInt16(bigEndian: address.sin_port)))
        #expect(holder.processID == Int(getpid()))
        #expect(!holder.name.isEmpty)
    }
}
