"""What a message costs the server: the reference relay and its peers, in one run.

footprint · pinning      CPU and memory of all processes of a server; who runs where
conversation             one connection of the driver; TLS by hand, a script of turns
workload · driver        W1, W2, W3, 64K; many conversations within a budget
server · child           what is asked of a server; a server as a child process
servers/                 the relay, aiosmtpd, smtp-server, Postfix, Exim, got and started; a sink
effort                   how much is measured
field                    who competes, who is missing; starting and ending them together
sample · rounds          one measurement; all of them, in turn
endurance                growth of memory, idle sessions
target                   what is to be reached
machine · report         where it was measured; the tables and the page
"""
