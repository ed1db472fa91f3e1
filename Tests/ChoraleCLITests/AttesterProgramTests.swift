import Attestation
import ChoraleBase
import Codec
import ExecutorAgent
import Foundation
import Testing

@testable import ChoraleCLI

/// A program that has an enclave vouch for parts, as a shell script.
@Suite struct AttesterProgramTests {
    private static let digest = String(repeating: "5e", count: 32)

    /// Runs a script as the attester.
    private func attest(_ script: String) throws -> Result<AttestationProof, AttesterFault> {
        let path = FileManager.default.temporaryDirectory
            .appendingPathComponent("attester-\(UUID().uuidString)").path
        try "#!/bin/sh\n\(script)\n".write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let program = try #require(AttesterProgram("tdx:0x\(Self.digest)=\(path)"))
        #expect(
            program.kind == .tdx && program.program.bytes == [UInt8](repeating: 0x5E, count: 32))
        do throws(AttesterFault) {
            return .success(try program.attest(reportData: [UInt8](repeating: 0x41, count: 64)))
        } catch {
            return .failure(error)
        }
    }

    /// Whatever it reads becomes the evidence: time 0, two offsets, and no collateral.
    @Test func whatItWritesIsTheProof() throws {
        let proof = try attest(
            #"printf '\0\0\0\0\0\0\0\0\020\0\0\0\120\0\0\0'; exec /bin/cat"#
        ).get()
        #expect(proof.time == 0 && proof.collateral.bytes.isEmpty)
        #expect(proof.evidence.bytes == [UInt8](repeating: 0x41, count: 64))
    }

    @Test func anythingElseIsAFault() throws {
        for script in ["exit 1", "echo no", "exec /bin/cat"] {
            guard case .failure(let fault) = try attest(script) else {
                Issue.record("\(script) has attested")
                continue
            }
            #expect(fault.reason.contains("no proof"))
        }
        let missing = try #require(AttesterProgram("sgx:0x\(Self.digest)=/nowhere/attest"))
        #expect(throws: AttesterFault.self) { _ = try missing.attest(reportData: []) }
    }

    @Test func otherTextsAreNone() {
        for text in [
            "", "sgx", "sgx:0x\(Self.digest)", "sgx:0x\(Self.digest)=", "sgx:0x12=/bin/a",
            "sgx:\(Self.digest):1=/bin/a", "sev:\(Self.digest)=/bin/a",
            "sgx:0x\(Self.digest)=bin/a",
        ] { #expect(AttesterProgram(text) == nil, "\(text)") }
    }
}
