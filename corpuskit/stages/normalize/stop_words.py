"""Short lists of stop words, written for this project: the closed classes of each language.

They hold articles, pronouns, prepositions, conjunctions, auxiliaries and the commonest particles, in all
forms, in lower case and with straight apostrophes. A form that ends in an apostrophe is an elided word
(``l'``) and goes from the front of a longer one. Nouns, full verbs and numerals are left out on purpose, and
so are negations, without which a sentence says the opposite.
"""

from __future__ import annotations

_ENGLISH = """
a an the
i me my mine myself you your yours yourself yourselves he him his himself she her hers herself it its itself
we us our ours ourselves they them their theirs themselves one
this that these those who whom whose which what
and or but if because as until while than so though although unless whether since
of at by for with about against between among into onto through during before after above below to from up
down in out on off over under upon within towards toward
be am is are was were been being have has had having do does did doing can could will would shall should may
might must ought
here there when where why how then once again further also too very just only own same such both each few more
most other some any all
i'm i've i'll i'd you're you've you'll you'd he's he'll he'd she's she'll she'd it's it'll we're we've we'll
we'd they're they've they'll they'd that's there's who's what's let's
"""

_GERMAN = """
der die das den dem des ein eine einen einem einer eines
ich mich mir mein meine meinen meinem meiner meines du dich dir dein deine deinen deinem deiner deines er ihn
ihm sein seine seinen seinem seiner seines sie ihr ihre ihren ihrem ihrer ihres es wir uns unser unsere
unseren unserem unserer unseres euch euer eure euren eurem eurer eures ihnen sich man selbst
dies diese diesen diesem dieser dieses jene jenen jenem jener jenes welche welchen welchem welcher welches wer
wen wem wessen was derselbe dieselbe dasselbe solche solchen solchem solcher solches
und oder aber denn sondern sowie wenn weil dass daß ob als wie obwohl damit während bis bevor nachdem indem
an am ans auf aus bei beim durch für gegen hinter in im ins mit nach neben ohne seit über um unter von vom vor
zu zum zur zwischen
bin bist ist sind seid war warst waren wart gewesen sei seien wäre wären habe hast hat haben habt hatte
hattest hatten hattet gehabt werde wirst wird werden werdet wurde wurden worden würde würden kann kannst
können könnt konnte konnten könnte könnten muss muß müssen musste mussten soll sollen sollte sollten will
wollen wollte wollten darf dürfen durfte durften mag mögen mochte möchte möchten
da dann dort hier so auch noch nur schon sehr doch ja mal etwa also wo wann warum hin her viel mehr
"""

_FRENCH = """
le la les l' un une des du de d' au aux
je j' me m' moi tu te t' toi il elle on se s' soi nous vous ils elles lui leur leurs eux en y
mon ma mes ton ta tes son sa ses notre nos votre vos mien mienne tien tienne sien sienne
ce c' cet cette ces ceci cela ça celui celle ceux celles qui que qu' quoi dont où lequel laquelle lesquels
lesquelles auquel auxquels duquel desquels quel quelle quels quelles
et ou mais donc or car si comme quand lorsque lorsqu' puisque puisqu' quoique quoiqu' parce afin
à avec chez contre dans depuis derrière dès devant entre envers hors par parmi pendant pour sans sauf selon
sous sur vers
suis es est sommes êtes sont étais était étions étiez étaient fus fut furent serai seras sera serons serez
seront serais serait serions seriez seraient sois soit soyons soyez soient été étant être
ai as a avons avez ont avais avait avions aviez avaient eus eut eurent aurai auras aura aurons aurez auront
aurais aurait aurions auriez auraient aie aies ait ayons ayez aient eu ayant avoir
alors ainsi aussi bien encore ici là même mêmes plus puis très tout toute tous toutes
"""

_SPANISH = """
el la los las lo un una unos unas al del
yo me mi mí conmigo tú te ti contigo él ella ello se sí consigo nos nosotros nosotras os vosotros vosotras
ellos ellas le les usted ustedes
mis tu tus su sus mío mía míos mías tuyo tuya tuyos tuyas suyo suya suyos suyas nuestro nuestra nuestros
nuestras vuestro vuestra vuestros vuestras
este esta estos estas esto ese esa esos esas eso aquel aquella aquellos aquellas aquello que qué quien quién
quienes cual cuál cuales cuyo cuya cuyos cuyas
y e o u pero mas sino si porque pues como cuando aunque mientras donde
a ante bajo con contra de desde durante en entre hacia hasta para por según sin sobre tras
soy eres es somos sois son era eras éramos eran fui fuiste fue fuimos fueron seré será serán sería serían sea
sean siendo sido ser estoy estás está estamos están estaba estaban estuvo estado estar
he has ha hemos habéis han había habías habíamos habían hubo hay haya hayan habrá habría haber
ya muy más tan también así aquí ahí allí entonces todo toda todos todas otro otra otros otras mismo misma
"""

_ITALIAN = """
il lo la l' i gli le un uno una un' del dello della dell' dei degli delle al allo alla all' ai agli alle dal
dallo dalla dall' dai dagli dalle nel nello nella nell' nei negli nelle sul sullo sulla sull' sui sugli sulle
col coi
io me mi m' tu te ti t' egli lui lo lei ella esso essa si s' sé noi ci c' voi vi v' essi esse loro ne gli
mio mia miei mie tuo tua tuoi tue suo sua suoi sue nostro nostra nostri nostre vostro vostra vostri vostre
questo questa quest' questi queste quello quella quell' quelli quelle quei quegli ciò che chi cui quale quali
e ed o od ma però se perché poiché come quando mentre anche dove dov' benché
a ad con contro d' da di fra in per presso senza sopra sotto su tra verso
sono sei è siamo siete ero eri era eravamo eravate erano fui fu fummo furono sarò sarai sarà saremo saranno
sarei sarebbe sarebbero sia siano stato stata stati state essere essendo
ho hai ha abbiamo avete hanno avevo avevi aveva avevamo avevano ebbi ebbe ebbero avrò avrà avranno avrei
avrebbe avrebbero abbia abbiano avuto avere avendo
più molto così qui qua là lì poi già ancora tutto tutta tutti tutte altro altra altri altre stesso stessa
"""

_LISTS = {"en": _ENGLISH, "de": _GERMAN, "fr": _FRENCH, "es": _SPANISH, "it": _ITALIAN}
STOP_WORDS = {language: frozenset(words.split()) for language, words in _LISTS.items()}
"""ISO 639-1 code to words."""
