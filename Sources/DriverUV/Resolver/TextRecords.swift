import CAres

/// The texts of a DNS reply, read by c-ares.
package enum TextRecords {
    /// - Parameter countMax: records beyond this many are left out.
    /// - Returns: at least one text. A record's parts are joined; records that are not UTF-8 are left out.
    package static func read(
        _ reply: UnsafeBufferPointer<UInt8>, countMax: Int
    ) throws(ResolverError) -> [String] {
        var list: UnsafeMutablePointer<ares_txt_ext>?
        let status = ares_parse_txt_reply_ext(reply.baseAddress, Int32(reply.count), &list)
        defer { if let list { ares_free_data(list) } }
        guard status == 0 else { throw ResolverError(status: status) }
        var records: [[UInt8]] = []
        var node = list
        while let entry = node {
            if entry.pointee.record_start != 0 || records.isEmpty {
                guard records.count < countMax else { break }
                records.append([])
            }
            let text = UnsafeBufferPointer(start: entry.pointee.txt, count: entry.pointee.length)
            records[records.count - 1].append(contentsOf: text)
            node = entry.pointee.next
        }
        let texts = records.compactMap { String(validating: $0, as: UTF8.self) }
        guard !texts.isEmpty else { throw .noRecords }
        return texts
    }
}
