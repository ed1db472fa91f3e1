import ChoraleBase
import Codec
import TestSupport
import Testing

@testable import Attestation

/// Nothing traps, and nothing but the whole is accepted.
@Suite(.enabled(if: AttestationVectors.isPresent, "\(Vectors.absence)"))
struct RobustnessTests {
    struct Sample: Sendable, CustomTestStringConvertible {
        let folder: String
        let name: String

        var testDescription: String { name }
    }

    static let samples = [
        Sample(folder: "intel", name: "sgx-v3-00606a-a@2025-08"),
        Sample(folder: "intel", name: "tdx-v4-b0c06f-a@2025-06"),
        Sample(folder: "intel", name: "tdx-v5-90c06f-a@2026-02"),
        Sample(folder: "amd", name: "milan-vcek-2"),
        Sample(folder: "amd", name: "turin-vcek-1"),
        Sample(folder: "nitro", name: "prod-userdata"),
    ]

    /// The evidence of a sample, and what verifies others in its place.
    private func verifier(
        _ sample: Sample
    ) throws -> (bytes: [UInt8], accepts: ([UInt8]) -> Bool) {
        let json = try AttestationVectors.named(sample.name, sample.folder, "vectors")
        let evidence = try AttestationVectors.evidence(json, sample.folder)
        let collateral = try AttestationVectors.collateral(json, sample.folder)
        let now = try AttestationVectors.time(json["now"].string)
        let verifier = AttestationVerifier()
        var checked: CheckedIntelCollateral?
        if case .intel(let intel) = collateral { checked = try verifier.check(intel) }
        return (
            evidence.bytes,
            { [checked] bytes in
                guard let other = try? Evidence(kind: evidence.kind, bytes: bytes) else {
                    return false
                }
                if let checked {
                    return (try? verifier.verify(other, with: checked, now: now)) != nil
                }
                return (try? verifier.verify(other, with: collateral, now: now)) != nil
            }
        )
    }

    @Test(arguments: samples) func refusesWhateverIsCut(sample: Sample) throws {
        let (bytes, accepts) = try verifier(sample)
        let isAccepted = accepts(bytes)
        #expect(isAccepted)
        // A TDX quote's buffer may end in zeros that are not part of it.
        var end = bytes.count
        while sample.folder == "intel", accepts(Array(bytes.prefix(end - 1))) { end -= 1 }
        #expect(bytes[end...].allSatisfy { $0 == 0 })
        for count in 0..<end {
            let isAccepted = accepts(Array(bytes.prefix(count)))
            #expect(!isAccepted, "\(count) bytes")
        }
    }

    /// One bit of each byte, another in each row, and all eight of every 64th byte.
    @Test(arguments: samples) func refusesWhateverIsChanged(sample: Sample) throws {
        let (bytes, accepts) = try verifier(sample)
        for index in bytes.indices {
            let bits = index.isMultiple(of: 64) ? Array(0..<8) : [index % 8]
            for bit in bits {
                var changed = bytes
                changed[index] ^= 1 << UInt8(bit)
                let isAccepted = accepts(changed)
                #expect(!isAccepted, "byte \(index), bit \(bit)")
            }
        }
    }

    @Test(arguments: samples) func collateralHasOneEncoding(sample: Sample) throws {
        let json = try AttestationVectors.named(sample.name, sample.folder, "vectors")
        let collateral = try AttestationVectors.collateral(json, sample.folder)
        let bytes = collateral.encoded
        #expect(try Collateral(decoding: bytes) == collateral)
        #expect(bytes.count <= Collateral.encodedSizeMax)
        for count in stride(from: 0, to: bytes.count, by: 7) {
            guard let other = try? Collateral(decoding: Array(bytes.prefix(count))) else {
                continue
            }
            #expect(other.encoded == Array(bytes.prefix(count)))
            #expect(other != collateral)
        }
    }

    @Test func refusesChangedCollateral() throws {
        let name = "tdx-v4-b0c06f-a@2025-06"
        let json = try AttestationVectors.named(name, "intel", "vectors")
        let evidence = try AttestationVectors.evidence(json, "intel")
        let now = try AttestationVectors.time(json["now"].string)
        let bytes = try AttestationVectors.collateral(json, "intel").encoded
        for index in stride(from: 0, to: bytes.count, by: 5) {
            var changed = bytes
            changed[index] ^= 1 << UInt8(index % 8)
            guard let collateral = try? Collateral(decoding: changed) else { continue }
            #expect(throws: AttestationFault.self, "byte \(index)") {
                _ = try AttestationVerifier().verify(evidence, with: collateral, now: now)
            }
        }
    }

    @Test func evidenceIsBounded() {
        for kind in AttestationKind.allCases {
            let size = kind.evidenceSizeMax
            #expect(throws: Never.self) {
                _ = try Evidence(kind: kind, bytes: .init(repeating: 0, count: size))
            }
            #expect(throws: AttestationFault.evidenceTooLarge(size: size + 1, limit: size)) {
                _ = try Evidence(kind: kind, bytes: .init(repeating: 0, count: size + 1))
            }
        }
    }
}
