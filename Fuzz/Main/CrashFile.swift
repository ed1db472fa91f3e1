import Foundation
import Glibc

/// The input that is running, in a file that outlives the process.
///
/// Mapped and shared: writing to it costs a copy, and the kernel keeps what was written when the
/// process traps. Layout: size (8 bytes), then the input.
final class CrashFile {
    static let capacity = 1 << 20
    private let base: UnsafeMutableRawPointer

    init?(path: String) {
        let file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o644)
        guard file >= 0 else { return nil }
        defer { close(file) }
        guard ftruncate(file, off_t(Self.capacity + 8)) == 0 else { return nil }
        let mapped = mmap(
            nil, Self.capacity + 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
        guard let mapped, mapped != MAP_FAILED else { return nil }
        base = mapped
    }

    deinit { munmap(base, Self.capacity + 8) }

    /// Says what is about to run.
    func write(_ input: [UInt8]) {
        let size = min(input.count, Self.capacity)
        base.storeBytes(of: size, as: Int.self)
        input.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            (base + 8).copyMemory(from: start, byteCount: size)
        }
    }

    static func read(path: String) -> [UInt8]? {
        guard let data = FileManager.default.contents(atPath: path), data.count >= 8 else {
            return nil
        }
        let size = data.withUnsafeBytes { $0.loadUnaligned(as: Int.self) }
        guard size >= 0, size <= data.count - 8 else { return nil }
        return Array(data.dropFirst(8).prefix(size))
    }
}
