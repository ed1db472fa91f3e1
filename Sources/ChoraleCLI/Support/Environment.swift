/// The environment of the process.
enum Environment {
    /// Every variable that begins with `CHORALE_`.
    ///
    /// Read from the kernel, because the C library's table is not safe to walk beside threads.
    static func load() -> [String: String] {
        guard let bytes = try? Files.read("/proc/self/environ", sizeMax: 16 << 20) else {
            return [:]
        }
        var values: [String: String] = [:]
        for entry in bytes.split(separator: 0) {
            let text = String(decoding: entry, as: UTF8.self)
            guard text.hasPrefix("CHORALE_"), let equals = text.firstIndex(of: "=") else {
                continue
            }
            values[String(text[..<equals])] = String(text[text.index(after: equals)...])
        }
        return values
    }
}
