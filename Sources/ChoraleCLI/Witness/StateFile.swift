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

    /// The rules that a genesis file's `config` gives; nil for a file without one.
    ///
    /// - Throws: when there is one that cannot be followed: other rules would be wrong in silence.
    static func rules(_ document: JSONValue, _ path: String) throws(Failure) -> ChainRules? {
        guard document["config"]?["chainId"] != nil else { return nil }
        do throws(GenesisConfigError) {
            return try ChainRules(genesis: document)
        } catch {
            throw Failure("\(path): \(error); --network, --fork or --genesis say otherwise")
        }
    }
}
