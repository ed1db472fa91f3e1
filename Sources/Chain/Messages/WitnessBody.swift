import ChoraleBase
import Codec
public import Execution

/// A witness as it travels and as blocks refer to it: two bytes that say in which form, then the form.
///
/// The two bytes let another kind of state tree come without another wire (mechanisms row 2.24). A form
/// that is not known is unsupported, which says nothing about the block.
public enum WitnessBody {
    /// `ExecutionWitness` of EIP-8025 in SSZ, in canonical order.
    static let merklePatricia: UInt16 = 0x0001

    public enum DecodingError: Error, Hashable, Sendable {
        case tooShort
        /// A later version's.
        case unsupported(schema: UInt16)
        case witness(WitnessError)
    }

    public static func encode(_ witness: Witness) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(witness.size + 64)
        bytes.appendBigEndian(merklePatricia)
        bytes += witness.ssz
        return bytes
    }

    /// - Parameter sizeMax: of the whole body, in bytes.
    public static func decode(
        _ bytes: [UInt8], sizeMax: Int
    ) throws(DecodingError) -> Witness {
        guard bytes.count >= 2 else { throw .tooShort }
        let schema = bytes.span.loadBigEndian(UInt16.self, at: 0)
        guard schema == merklePatricia else { throw .unsupported(schema: schema) }
        do throws(WitnessError) {
            return try Witness(
                ssz: bytes, in: 2..<bytes.count, limits: Witness.Limits(sizeMax: sizeMax))
        } catch {
            throw .witness(error)
        }
    }
}
