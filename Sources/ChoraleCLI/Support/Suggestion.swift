import ChoraleBase

/// The end of a message about a name that does not exist.
enum Suggestion {
    static func text(for word: String, among names: [String]) -> String {
        if let nearest = NearestName.of(word, among: names) {
            return "; did you mean `\(nearest)`?"
        }
        return "; there are \(names.joined(separator: ", "))"
    }
}
