import ChoraleBase
import Codec

/// Reads members of a statement of Intel's; a member that is not as it must be is named by its path.
///
/// The text has been checked against Intel's signature before.
struct StatementReader {
    /// Our tables of levels; real ones have at most 20 entries and 30 advisories.
    static let entryCountMax = 256

    let statement: SignedStatement
    let value: JSONValue
    let path: String

    init(_ text: [UInt8], _ statement: SignedStatement) throws(AttestationFault) {
        self.statement = statement
        path = ""
        do {
            value = try JSONValue(parsing: text)
        } catch {
            throw .statement(statement, .malformed(error))
        }
    }

    private init(_ statement: SignedStatement, _ value: JSONValue, _ path: String) {
        self.statement = statement
        self.value = value
        self.path = path
    }

    func optional(_ name: String) -> StatementReader? {
        value[name].map { StatementReader(statement, $0, path + "." + name) }
    }

    func member(_ name: String) throws(AttestationFault) -> StatementReader {
        guard let member = optional(name) else {
            throw .statement(statement, .member(path + "." + name))
        }
        return member
    }

    var fault: AttestationFault { .statement(statement, .member(path)) }

    func elements() throws(AttestationFault) -> [StatementReader] {
        guard let values = value.array, values.count <= Self.entryCountMax else { throw fault }
        return values.enumerated().map { index, value in
            StatementReader(statement, value, "\(path)[\(index)]")
        }
    }

    func text(_ name: String) throws(AttestationFault) -> String {
        let member = try member(name)
        guard let text = member.value.string, text.utf8.count <= 64 else { throw member.fault }
        return text
    }

    /// An integer, written as one.
    func number<Number: FixedWidthInteger>(
        _ name: String, _: Number.Type
    ) throws(AttestationFault) -> Number {
        let member = try member(name)
        guard case .integer(let integer) = member.value, let number = Number(exactly: integer)
        else { throw member.fault }
        return number
    }

    func bytes(_ name: String, count: Int) throws(AttestationFault) -> [UInt8] {
        let member = try member(name)
        guard let text = member.value.string, text.utf8.count == 2 * count,
            let bytes = try? Hex.decode(text), bytes.count == count
        else { throw member.fault }
        return bytes
    }

    func time(_ name: String) throws(AttestationFault) -> Int64 {
        let member = try member(name)
        guard let text = member.value.string, let seconds = Timestamp.seconds(text) else {
            throw member.fault
        }
        return seconds
    }

    /// `issueDate` and `nextUpdate`.
    func validity() throws(AttestationFault) -> ClosedRange<Int64> {
        let from = try time("issueDate")
        let until = try time("nextUpdate")
        guard from <= until else { throw try member("nextUpdate").fault }
        return from...until
    }

    func status() throws(AttestationFault) -> TCBStatus {
        let member = try member("tcbStatus")
        guard let status = member.value.string.flatMap(TCBStatus.init(name:)) else {
            throw member.fault
        }
        return status
    }

    /// Names of Intel's security advisories; none when they are not said.
    func advisories() throws(AttestationFault) -> [String] {
        guard let list = optional("advisoryIDs") else { return [] }
        var advisories: [String] = []
        for element in try list.elements() {
            guard let text = element.value.string, text.utf8.count <= 64 else {
                throw element.fault
            }
            advisories.append(text)
        }
        return advisories
    }
}
