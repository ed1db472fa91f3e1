import ChoraleBase
import Crypto
import TestSupport
import Testing

@testable import Curves

/// Official state tests of EIP-2537 whose contract hands its call data to one precompile and stores
/// whether that succeeded, the size of the answer and its Keccak-256, where they are at hand.
///
/// Tests about gas and forks are not for this module: the executor's tests run every one of them whole.
@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct StateTestVectors {
    private static let operations: [UInt8: Operation] = [
        0x0b: Operations.g1Add,
        0x0c: Operations.g1MultiScalar,
        0x0d: Operations.g2Add,
        0x0e: Operations.g2MultiScalar,
        0x0f: Operations.bls12381Pairing,
        0x10: Operations.mapFpToG1,
        0x11: Operations.mapFp2ToG2,
    ]

    private static let kinds = [
        "test_call_types", "test_eip_2537", "test_invalid", "test_isogeny_kernel_values",
    ]

    /// CALLDATACOPY of everything, then a call with the call data as its input: PUSH1 address, PUSH
    /// gas, a call of one of the four kinds, and its result in slot 0.
    private static func address(calledBy code: [UInt8]) -> UInt8? {
        let copy: [UInt8] = [0x36, 0x60, 0, 0x60, 0, 0x37]
        guard code.starts(with: copy) else { return nil }
        var position = copy.count
        // Up to the address only zeros and the input's size are pushed.
        while position + 1 < code.count {
            if code[position] == 0x36 {
                position += 1
            } else if code[position] == 0x60, code[position + 1] == 0 {
                position += 2
            } else {
                return code[position] == 0x60 ? code[position + 1] : nil
            }
        }
        return nil
    }

    @Test func answers() throws {
        let path = "state/prague-eip2537_bls_12_381_precompiles.json.gz"
        let tests = try #require(try Fixtures.json(path).value as? [String: Any])
        var counts: [String: Int] = [:]
        for (name, value) in tests {
            let kind = name.split(separator: "::").last?.prefix { $0 != "[" }
            guard let kind, Self.kinds.contains(String(kind)) else { continue }
            let test = JSON(value)
            let to = try test["transaction"]["to"].string
            let address = try #require(
                Self.address(calledBy: test["pre"][to]["code"].hex), "\(name)")
            let operation = try #require(Self.operations[address], "\(name)")
            let input = try test["transaction"]["data"].array[0].hex
            let fork = try #require((test["post"].value as? [String: Any])?.keys.first)
            let storage = try test["post"][fork].array[0]["state"][to]["storage"]
            if let stored = try storage.optional("0x02")?.hex {
                let answer = try operation(input)
                #expect(Keccak256.hash(answer).bytes == stored, "\(name)")
                #expect(try storage["0x00"].hex == [1])
            } else {
                #expect(throws: CurveError.self, "\(name)") { try operation(input) }
            }
            counts[String(kind), default: 0] += 1
        }
        #expect(
            counts == [
                "test_call_types": 8, "test_eip_2537": 4, "test_invalid": 8,
                "test_isogeny_kernel_values": 8,
            ])
    }
}
