enum OpenAPIDocument {
    static let json: [UInt8] = []
}
