"""The claims of the papers that the project stands on, from its own trainer: a row each in `rows`.

Lehtinen et al. 2018, "Noise2Noise"; Batson and Royer 2019, "Noise2Self".
"""
