import ArgumentParser
import ChoraleBase
import Codec
import Inference

/// Makes models to try a network with.
struct OperationModelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "make-model",
        abstract: "Write a model of random weights, and an input for it.",
        discussion: """
            For trying a network with work of any size: dense layers between the widths, the same file for the \
            same widths and seed. Models that mean something are trained as models/README.md says.

            EXAMPLE
              chorale op make-model --widths 784,512,256,10 large.model --input large.input
            """)

    @Option(help: "Values of the input, then of each layer, separated by commas.")
    var widths: String
    @Option(help: "Weights and the input follow from it.") var seed: UInt64 = 1
    @Option(help: ArgumentHelp("Also write an input for the model.", valueName: "file"))
    var input: String?
    @Flag(help: "Print one JSON object.") var json = false
    @Argument(help: "A file that is not there yet.") var file: String

    func validate() throws { _ = try Self.numbers(widths) }

    static func numbers(_ text: String) throws(ValidationError) -> [Int] {
        let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
        guard numbers.count >= 2, numbers.allSatisfy({ $0 ?? 0 >= 1 }) else {
            throw ValidationError(
                "--widths must be two numbers or more, separated by commas, such as 784,256,10, "
                    + "not \(text)")
        }
        return numbers.compactMap(\.self)
    }

    func run() throws {
        let widths = try Self.numbers(self.widths)
        let model: QuantisedModel
        do throws(ModelError) {
            model = try QuantisedModel.synthetic(widths: widths, seed: seed)
        } catch {
            throw Failure.usage("no model has such widths: \(error)")
        }
        let plan: InferencePlan
        do throws(InferencePlan.PlanError) {
            plan = try InferencePlan(model)
        } catch {
            throw Failure.usage("the model cannot be proven in parts: \(error)")
        }
        for path in [file, input].compactMap(\.self) where Files.exists(path) {
            throw Failure("\(path) exists already and is not overwritten")
        }
        let encoded = model.encoded()
        try Files.create(file, encoded)
        if let input { try Files.create(input, model.syntheticInput(seed: seed).encoded()) }
        guard !json else {
            Console.print(
                .object([
                    "model": .string(file), "sha256": .string("\(model.hash)"),
                    "bytes": JSONValue(encoded.count), "parts": JSONValue(plan.parts.count),
                    "multiplications": JSONValue(model.multiplicationCount),
                ]))
            return
        }
        Console.print(
            "\(file): \(Human.bytes(UInt64(encoded.count))), \(model.multiplicationCount) "
                + "multiplications in \(plan.parts.count) parts")
    }
}
