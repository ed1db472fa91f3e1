package import ChoraleBase
package import Execution

/// How one test ran.
package struct TestResult: Sendable {
    package var name: String
    /// Fork, or network, as the fixture calls it.
    package var fork: String
    /// Which of the transaction's data, gas limits and values, of a state test.
    package var indexes: Indexes?
    /// Root of the state after it, where there is one.
    package var stateRoot: Bytes32?
    package var gasUsed: UInt64?
    /// Why something was refused that had to be.
    package var refusal: String?
    /// What is wrong; nil if the test passed.
    package var fault: String?

    package struct Indexes: Hashable, Sendable {
        package var data: Int
        package var gas: Int
        package var value: Int
    }

    package var passed: Bool { fault == nil }

    package init(name: String, fork: String, indexes: Indexes? = nil) {
        self.name = name
        self.fork = fork
        self.indexes = indexes
    }
}

/// How strictly and how talkatively tests are run.
package struct TestOptions {
    /// Whether what must be refused must be refused for the reason that the fixture names.
    ///
    /// Collections differ in their names for reasons, so only those of the official ones are known.
    package var checksReasons = false
    /// Whether blocks are executed again from the witness that is recorded of them, strictly.
    package var replaysWitnesses = false
    /// Takes each of those.
    package var witnesses: ((Witness) -> Void)?
    /// Takes a line for every instruction (EIP-3155).
    package var trace: ((String) -> Void)?

    package init() {}
}
