import SessionModel
import Testing

@Suite struct JSONLayoutTests {
    @Test func `a line a member and an element, and what is empty on its line`() {
        let json = #"{"a":[1,{"b":"x, {\"y\": [\\"}],"c":{ },"d":[],"e":null}"#
        let text = """
            {
              "a": [
                1,
                {
                  "b": "x, {\\"y\\": [\\\\"
                }
              ],
              "c": {},
              "d": [],
              "e": null
            }
            """
        #expect(String(decoding: JSONLayout.indented(Array(json.utf8)), as: UTF8.self) == text)
        #expect(JSONLayout.indented(Array(text.utf8)) == Array(text.utf8))
    }

    @Test(arguments: ["", "3", #""a""#, "[]", "nonsense", "]}"]) func `what has no members stays as it is`(text: String)
    {
        #expect(String(decoding: JSONLayout.indented(Array(text.utf8)), as: UTF8.self).filter { $0 != "\n" } == text)
    }
}
