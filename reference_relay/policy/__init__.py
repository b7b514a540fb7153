"""What may be sent: the sender rule, the attachment rule, the header rule. Pure decisions."""
