"""What a message costs the generator: our Locust user beside Locust + smtplib and raw uvloop."""
