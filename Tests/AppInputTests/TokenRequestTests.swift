import HTTPProtocol
import Testing

@testable import AppInput

@Suite struct TokenRequestTests {
    @Test("The token endpoint refuses repeated names, and treats empty values as missing")
    func tokenRequests() {
        let request = TokenRequest(Array("grant_type=&username=ada&scope".utf8))
        #expect(request?["username"] == "ada")
        for name in ["grant_type", "scope", "other"] as [ExactString] {
            #expect(request?[name] == nil, "\(name)")
        }
        for wrong in ["a=%", "a=%4", "a=%4g", "a=%ff", "%ff=1", "a=1&a=2", "%61=1&a=2"] {
            #expect(TokenRequest(Array(wrong.utf8)) == nil, "\(wrong)")
        }
        // Two names whose bytes differ.
        #expect(TokenRequest(Array("caf%C3%A9=1&cafe%CC%81=2".utf8)) != nil)
    }
}
