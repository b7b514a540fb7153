"""DomainKeys Identified Mail, the signing side (RFC 6376). Pure: no input, output or clock."""
