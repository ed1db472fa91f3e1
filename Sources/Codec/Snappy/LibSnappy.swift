import CSnappy

/// The calls into libsnappy, and the only unsafe code of the module.
///
/// libsnappy checks every length and offset of a block against both buffers; what this file owes it
/// is buffers of the sizes it is told.
enum LibSnappy {
    /// Decodes `block` into `output[start..<start + size]`.
    ///
    /// - Precondition: `size` is the length that the block claims and lies within `output`.
    /// - Returns: false when the block is damaged. What was written is then meaningless.
    static func decode(
        _ block: Span<UInt8>,
        into output: inout [UInt8],
        at start: Int,
        size: Int
    ) -> Bool {
        precondition(start >= 0 && size >= 0 && size <= output.count - start, "out of range")
        // libsnappy must not be handed the null pointer of an empty buffer, so one byte of room is
        // lent to a block without data. It writes nothing there.
        var spare: UInt8 = 0
        // Sound: all pointers live through the call only. The output has `size` bytes from `start`
        // on (checked above), libsnappy is told so and fails when its own reading of the claim is
        // larger. UInt8 and CChar have the same size and alignment, and every bit pattern is valid.
        return unsafe block.withUnsafeBufferPointer { block in
            unsafe output.withUnsafeMutableBufferPointer { output in
                unsafe withUnsafeMutablePointer(to: &spare) { spare in
                    let source = unsafe block.baseAddress ?? UnsafePointer(spare)
                    let target = unsafe output.baseAddress.map { unsafe $0 + start } ?? spare
                    var written = size
                    let status = unsafe snappy_uncompress(
                        UnsafeRawPointer(source).assumingMemoryBound(to: CChar.self), block.count,
                        UnsafeMutableRawPointer(target).assumingMemoryBound(to: CChar.self),
                        &written)
                    return status == SNAPPY_OK && written == size
                }
            }
        }
    }

    /// Encodes `data` behind what `output` holds.
    ///
    /// - Precondition: `output` has room for the largest encoding, which is never empty.
    static func encode(_ data: Span<UInt8>, into output: inout OutputSpan<UInt8>) {
        precondition(snappy_max_compressed_length(data.count) <= output.freeCapacity, "no room")
        var spare: UInt8 = 0
        // Sound: as above; the room covers libsnappy's own bound (checked above), and `count` grows by
        // what libsnappy says that it wrote.
        unsafe data.withUnsafeBufferPointer { data in
            unsafe output.withUnsafeMutableBufferPointer { output, count in
                unsafe withUnsafeMutablePointer(to: &spare) { spare in
                    let source = unsafe data.baseAddress ?? UnsafePointer(spare)
                    let target = unsafe output.baseAddress.map { unsafe $0 + count } ?? spare
                    var written = output.count - count
                    let status = unsafe snappy_compress(
                        UnsafeRawPointer(source).assumingMemoryBound(to: CChar.self), data.count,
                        UnsafeMutableRawPointer(target).assumingMemoryBound(to: CChar.self),
                        &written)
                    precondition(status == SNAPPY_OK, "compression fails only for lack of room")
                    count += written
                }
            }
        }
    }
}
