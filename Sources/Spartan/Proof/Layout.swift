/// Where the parts of z lie in the table that the inner sum-check runs over: four quarters of 2ᵏ places, of
/// inputs, outputs, internals and the constant one, each filled from its start, for the least k that
/// holds the largest.
struct Layout: Sendable {
    let sections: [VectorShape]
    /// log₂ of a quarter.
    let quarterVariableCount: Int
    /// log₂ of the constraints, with constraints added that hold always.
    let constraintVariableCount: Int

    init(_ shape: R1CS) {
        let sections = [shape.inputCount, shape.outputCount, shape.internalCount].map {
            VectorShape(count: $0)
        }
        self.sections = sections
        quarterVariableCount = sections.reduce(0) { max($0, $1.variableCount) }
        constraintVariableCount = VectorShape(count: shape.constraintCount).variableCount
    }

    var columnVariableCount: Int { quarterVariableCount + 2 }

    func start(of section: Int) -> Int { section << quarterVariableCount }

    /// The point at which a section is asked for its value: the last variables of the whole.
    func point(_ section: Int, _ point: [Scalar]) -> ArraySlice<Scalar> {
        point.suffix(sections[section].variableCount)
    }

    /// With what a section's value counts in z's: eq of its quarter, and of zeros in the variables that
    /// are too many for it.
    func weight(_ section: Int, _ point: [Scalar]) -> Scalar {
        let own = section < 3 ? sections[section].variableCount : 0
        var weight = section & 2 == 0 ? .one - point[0] : point[0]
        weight *= section & 1 == 0 ? .one - point[1] : point[1]
        for coordinate in point[2..<point.count - own] { weight *= .one - coordinate }
        return weight
    }

    /// Places of inputs and outputs up to the next power of two, which no constraint looks at. They are
    /// shown to be zero, so that a vector has one commitment only. Of internals nobody sees one.
    var paddingPlaces: [(section: Int, index: Int)] {
        [0, 1].flatMap { section in
            let shape = sections[section]
            // An empty vector is not committed to.
            let places = shape.count == 0 ? 0..<0 : shape.count..<shape.paddedCount
            return places.map { (section, $0) }
        }
    }
}
