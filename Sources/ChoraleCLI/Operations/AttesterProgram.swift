import Attestation
import ChoraleBase
import Codec
import CrossValidation
import ExecutorAgent
import HTTP

/// A program that has an enclave vouch for parts: it reads 64 bytes of report data, has the hardware sign them, and
/// writes an `AttestationProof` in SSZ.
struct AttesterProgram: EnclaveAttester, Hashable {
    /// A quote takes milliseconds; the maker's statements may have to be fetched.
    static let timeMax: Duration = .seconds(30)
    /// How settings write it.
    static let form = "KIND:0xMEASUREMENT=/PATH, with sgx, tdx, sev-snp or nitro as the kind"

    let kind: AttestationKind
    let program: Bytes32
    let path: String

    /// - Parameter text: in the ``form``; nil for anything else.
    init?(_ text: String) {
        let kinds: [String: AttestationKind] = [
            "sgx": .sgx, "tdx": .tdx, "sev-snp": .sevSNP, "nitro": .nitro,
        ]
        let parts = text.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, parts[1].hasPrefix("/") else { return nil }
        let words = parts[0].split(separator: ":", omittingEmptySubsequences: false)
        guard words.count == 2, let kind = kinds[String(words[0])],
            let bytes = try? Hex.decode(String(words[1])), let program = Bytes32(bytes)
        else { return nil }
        self.kind = kind
        self.program = program
        path = String(parts[1])
    }

    func attest(reportData: [UInt8]) throws(AttesterFault) -> AttestationProof {
        let output: [UInt8]
        do throws(CommandVerifier.Failure) {
            let answer = try CommandVerifier.run(
                path, input: reportData, deadline: .now + Self.timeMax,
                outputSizeMax: AttestationProof.encodedSizeMax,
                cancellation: HTTP.HTTPClient.Cancellation())
            output = answer.output
        } catch {
            throw AttesterFault("\(path): \(error)")
        }
        do throws(SSZError) {
            return try AttestationProof(ssz: output.span)
        } catch {
            throw AttesterFault("\(path) wrote \(output.count) bytes that are no proof: \(error)")
        }
    }
}
