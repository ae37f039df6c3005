"""What is shown and what is alerted on, as values: settings, queries, panels, boards, rules.

Pure: nothing here reads or writes a file, except that the runbook's text is handed in.
"""
