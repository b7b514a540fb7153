"""Who may send, from where: instances, network rules, endpoints and passwords."""
