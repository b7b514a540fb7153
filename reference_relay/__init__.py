"""The reference relay: a submission service (RFC 6409) that everyone can compare with.

Imports go downwards only:

    cli > demo > relay > submission | delivery | management
        > queue | service > policy | dkim > smtp > mail
"""
