public import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Inference
public import Operations

/// An inference that was requested, with its bodies, which are those that the request names.
///
/// Enough to execute it: by an executor, and again by every member of a committee, where the model is too large to be proven.
public struct RequestedInference: Sendable {
    public let request: OperationRequest
    let model: QuantisedModel
    let input: QuantisedVector

    /// What the request's input says. The first thing to be known: where the model is.
    public static func input(_ body: [UInt8]) throws(KindFault) -> InferenceInput {
        do throws(SSZError) {
            return try InferenceInput(ssz: body.span)
        } catch {
            throw .input(error)
        }
    }

    /// Checks that the bodies are those of the request.
    public init(
        _ request: OperationRequest, input: InferenceInput, modelFile: [UInt8]
    ) throws(KindFault) {
        guard SHA256.hash(modelFile) == input.model else { throw .otherModel }
        do throws(QuantisedVector.DecodeError) {
            self.input = try QuantisedVector(decoding: input.vector)
        } catch {
            throw .vector(error)
        }
        let asked = InferenceRequest(model: input.model, input: self.input.hash)
        guard asked.hash == request.inputHash else { throw .otherInput }
        do {
            model = try QuantisedModel(decoding: modelFile)
        } catch {
            throw .model("\(error)")
        }
        self.request = request
    }

    /// Executes it as a whole.
    public func execute() throws(KindFault) -> WholeExecution {
        do throws(InputError) {
            return WholeExecution(
                request: request, output: try model.execute(input).output.encoded())
        } catch {
            throw .execution(error)
        }
    }
}

/// What came of executing an operation that is not divided, and of which nothing is proven.
public struct WholeExecution: Hashable, Sendable {
    public let request: OperationRequest
    public let output: [UInt8]

    public init(request: OperationRequest, output: [UInt8]) {
        self.request = request
        self.output = output
    }

    /// The same with a bit of the last value changed: a lie in valid form, for tests of those who execute again.
    public func withWrongOutput() -> Self {
        var output = output
        if let last = output.indices.last { output[last] ^= 1 }
        return Self(request: request, output: output)
    }

    /// What is committed to: one part, from the request's input to the output, without proofs.
    ///
    /// - Parameter price: in wei.
    /// - Returns: nil when a bound of commitments is exceeded.
    public func commitment(
        by executor: Bytes32, price: UInt128
    ) -> ExecutionCommitmentContent? {
        let outputHash = Keccak256.hash(output)
        guard let body = ContentReference(kind: .generic, bytes: output),
            let part = PartCommitment(input: request.inputHash, output: outputHash, proofs: [])
        else { return nil }
        return ExecutionCommitmentContent(
            operation: request.operation, executor: executor, outputHash: outputHash,
            outputSize: UInt64(output.count), outputRoot: body.root, price: price,
            planRoot: Self.planRoot(part), parts: [part])
    }

    /// What a committee's member says of a commitment: the output's hash.
    ///
    /// A commitment with the right hash and another size or body is as wrong as one with another hash: nobody could
    /// have the output by it. Then it is a hash that no output has, the same for all who look.
    public func finding(of commitment: ExecutionCommitmentContent) -> Bytes32 {
        let found = Keccak256.hash(output)
        guard commitment.outputHash == found else { return found }
        let isDescribed =
            commitment.outputSize == UInt64(output.count)
            && commitment.outputRoot == ContentReference(kind: .generic, bytes: output)?.root
        return isDescribed
            ? found : SHA256.hash(Array("chorale/misdescribed-output/1".utf8) + found.bytes)
    }

    /// SHA-256 of a domain, the part's input and its output.
    private static func planRoot(_ part: PartCommitment) -> Bytes32 {
        SHA256.hash(
            Array("chorale/whole-plan/1".utf8) + part.input.bytes + part.output.bytes)
    }
}
