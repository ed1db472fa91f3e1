import Codec
import Conformance
import Execution

/// A whole state as a JSON file has it.
enum StateFile {
    /// - Parameter document: a genesis file, whose accounts are in `alloc`; a test, whose accounts are
    ///   in `pre`; or the accounts themselves.
    static func store(_ document: JSONValue, _ path: String) throws(Failure) -> StateStore {
        do {
            let root = FixtureValue(document)
            let accounts = root.optional("alloc") ?? root.optional("pre") ?? root
            return try StateStore(try MemoryState(accounts).entries)
        } catch {
            throw Failure("\(path) is no state: \(error)")
        }
    }
}
