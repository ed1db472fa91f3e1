import ChoraleBase
import Spartan
import Testing

@testable import Inference

@Suite struct CircuitTests {
    @Test(arguments: ["digits", "synthetic"])
    func everyPartOfEveryVectorIsSatisfiedAndChains(name: String) throws {
        let model = try Samples.model(name)
        let plan = try InferencePlan(model)
        let circuits = plan.parts.map { model.circuit(of: $0) }
        for vector in try Samples.vectors(name).suffix(12) {
            let execution = try model.execute(.int8(vector.input))
            var previous = vector.input.map { Scalar(Int64($0)) }
            for (part, circuit) in zip(plan.parts, circuits) {
                let assignment = model.assignment(of: part, in: execution)
                #expect(assignment.inputs == previous)
                #expect(circuit.fits(assignment))
                #expect(circuit.firstViolatedRow(by: assignment) == nil)
                previous = assignment.outputs
            }
            #expect(previous == vector.output.map { Scalar(Int64($0)) })
        }
    }

    @Test func sizes() throws {
        for name in ["digits", "synthetic"] {
            let model = try Samples.model(name)
            for part in try InferencePlan(model).parts {
                let circuit = model.circuit(of: part)
                print(
                    "\(name) layer \(part.layer) outputs \(part.outputs):",
                    "\(circuit.constraintCount) constraints, \(circuit.inputCount) in,",
                    "\(circuit.outputCount) out, \(circuit.internalCount) internal,",
                    "\(circuit.entryCount) entries")
            }
        }
    }
}
